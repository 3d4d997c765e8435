//! tokio: a task for each connection, as its own example has it.

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use ::tokio::io::{AsyncReadExt, AsyncWriteExt};
use ::tokio::net::{TcpListener, TcpStream};
use ::tokio::runtime::{Builder, Runtime};
use d3_benches::Setup;

/// The most that is read at once; each task has a buffer of its own.
const BUFFER: usize = 4 * 1024;

/// tokio's multi-thread runtime.
pub(crate) struct Echo {
    runtime: Runtime,
    address: SocketAddr,
}

impl super::Server for Echo {
    fn start(setup: &Setup) -> Result<Self, Box<dyn Error>> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(setup.workers)
            .enable_io()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        runtime.spawn(serve(listener));
        Ok(Self { runtime, address })
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn stop(self) -> Result<(), Box<dyn Error>> {
        drop(self.runtime);
        Ok(())
    }
}

async fn serve(listener: TcpListener) {
    loop {
        let (stream, _peer) = listener.accept().await.expect("the load has room");
        ::tokio::spawn(async move {
            if let Err(error) = echo(stream).await {
                // Then the load misses an answer and says whose.
                eprintln!("tokio: {error}");
            }
        });
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}
