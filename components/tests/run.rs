//! `services::run`, which listens to the signals of the whole process: hence one test.

use std::net::TcpListener;
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

#[test]
fn a_server_runs_until_it_is_told_to_end() {
    for signal in [SIGTERM, SIGINT, SIGTERM] {
        let stopped = services::run(settings(""), signalling(signal)).unwrap();
        assert!(stopped.is_clean(), "{stopped}");
    }

    let begun = Instant::now();
    let quiet = Services::new().coordinator("ACoordinator", |_, _, ctx| {
        Ok(Some(ctx.runtime().connect(|_: ComponentCmd| ()).1))
    });
    let stopped = services::run(settings("test_server_duration = 1"), quiet).unwrap();
    assert!(stopped.is_clean(), "{stopped}");
    assert!(begun.elapsed() >= Duration::from_secs(1));

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
