//! `services::run`, which listens to the signals of the whole process: hence one test.

use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use d3_components::{ComponentCmd, Services, ServicesError, Settings, listen, services};
use signal_hook::consts::{SIGINT, SIGTERM};

fn settings(more: &str) -> Settings {
    Settings::parse(&format!(
        "services = ['AService']\nlog_level = 'Off'\n{more}\n[[coordinator]]\nname = 'ACoordinator'"
    ))
    .unwrap()
}

/// A service whose first act is to send the process a signal.
fn signalling(signal: i32) -> Services {
    Services::new().coordinator("ACoordinator", move |_, _, ctx| {
        let machine = move |cmd: ComponentCmd| {
            if matches!(cmd, ComponentCmd::Start) {
                signal_hook::low_level::raise(signal).unwrap();
            }
        };
        Ok(Some(ctx.runtime().connect(machine).1))
    })
}

/// A service that does nothing.
fn idle() -> Services {
    Services::new().coordinator("ACoordinator", |_, _, ctx| {
        Ok(Some(ctx.runtime().connect(|_: ComponentCmd| ()).1))
    })
}

/// A service that tells when the server says `Stop`.
fn telling(stop: mpsc::Sender<Instant>) -> Services {
    Services::new().coordinator("ACoordinator", move |_, _, ctx| {
        let stop = stop.clone();
        let machine = move |cmd: ComponentCmd| {
            if matches!(cmd, ComponentCmd::Stop) {
                stop.send(Instant::now()).expect("the test listens");
            }
        };
        Ok(Some(ctx.runtime().connect(machine).1))
    })
}

/// Work that takes longer than the server is to last: it is not cut short, and the server lasts as long from then on.
fn the_duration_begins_when_the_work_is_done() {
    let (stop, stops) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let work = move |runtime: d3_runtime::Runtime| {
        // If the duration counted from the start, the stop would come during this wait.
        let early = stops.recv_timeout(Duration::from_millis(1_200));
        let seen = (early, runtime.is_shut_down(), Instant::now());
        tell.send((seen, stops)).map_err(|it| it.to_string())
    };
    let settings = settings("test_server_duration = 1");
    let stopped = services::run_with(settings, telling(stop), "Work", work).unwrap();
    assert!(stopped.is_clean(), "{stopped}");
    let ((early, shut_down, done), stops) = told.recv().unwrap();
    assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout));
    assert!(!shut_down);
    assert!(stops.recv().unwrap() - done >= Duration::from_secs(1));
}

#[test]
fn a_server_runs_until_it_is_told_to_end() {
    for signal in [SIGTERM, SIGINT, SIGTERM] {
        let stopped = services::run(settings(""), signalling(signal)).unwrap();
        assert!(stopped.is_clean(), "{stopped}");
    }

    let begun = Instant::now();
    let stopped = services::run(settings("test_server_duration = 1"), idle()).unwrap();
    assert!(stopped.is_clean(), "{stopped}");
    assert!(begun.elapsed() >= Duration::from_secs(1));

    // Work of the program's own: what it does, how long the server then goes on, and what its failures do.
    the_duration_begins_when_the_work_is_done();

    let work = |_| Err("it went wrong".to_owned());
    let error = services::run_with(settings(""), idle(), "Work", work).unwrap_err();
    assert_eq!(error.to_string(), "Work: it went wrong");
    let work = |_| panic!("as the test wants it");
    let error = services::run_with(settings(""), idle(), "Work", work).unwrap_err();
    assert_eq!(error.to_string(), "Work: it panicked");

    // Told to end first: the runtime ends under the work, which is waited for.
    let (tell, told) = mpsc::channel();
    let work = move |runtime: d3_runtime::Runtime| {
        while !runtime.is_shut_down() {
            std::thread::yield_now();
        }
        tell.send(()).map_err(|it| it.to_string())
    };
    let stopped = services::run_with(settings(""), signalling(SIGTERM), "Work", work).unwrap();
    assert!(stopped.is_clean(), "{stopped}");
    assert_eq!(told.try_recv(), Ok(()));

    let failing = Services::new().coordinator("ACoordinator", |_, _, ctx| {
        let machine = |_: ComponentCmd| panic!("as the test wants it");
        Ok(Some(ctx.runtime().connect(machine).1))
    });
    let error = services::run(settings("test_server_duration = 60"), failing).unwrap_err();
    assert!(error.to_string().starts_with("AService: "), "{error}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = format!(
        "services = ['AService']\n[[coordinator]]\nname = 'ACoordinator'\ntcp_address = '{address}'"
    );
    let services = Services::new().coordinator("ACoordinator", |settings, _, ctx| {
        listen::tcp(settings, ctx, |_session| unreachable!("nobody can connect"))
    });
    let error = services::run(Settings::parse(&text).unwrap(), services).unwrap_err();
    assert!(matches!(error, ServicesError::Bind { .. }), "{error}");
}
