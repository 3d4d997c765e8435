use super::*;

const STATUS: &str = "Name:\tstress\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t3\n";

#[test]
fn status_is_read() {
    assert_eq!(parse::kilobytes(STATUS, "VmRSS"), Some(1 << 20));
    assert_eq!(parse::kilobytes(STATUS, "VmHWM"), Some(2 << 20));
    assert_eq!(parse::number(STATUS, "Threads"), Some(3));
    assert_eq!(parse::number(STATUS, "Thread"), None);
    assert_eq!(parse::kilobytes(STATUS, "Threads"), None);
}

#[test]
fn processors_are_named() {
    let text = "processor\t: 0\nmodel name\t: AMD  EPYC\nprocessor\t: 1\nmodel name\t: other\n";
    assert_eq!(parse::processor(text).as_deref(), Some("AMD EPYC"));
    assert_eq!(parse::processor("flags : a b\n"), None);
}

#[test]
fn control_groups_are_read() {
    assert_eq!(
        parse::control_group("12:cpu:/x\n0::/user.slice\n"),
        Some("/user.slice")
    );
    assert_eq!(parse::control_group("12:memory:/x\n"), None);
    assert_eq!(parse::limit("max\n"), None);
    assert_eq!(parse::limit("1048576\n"), Some(1 << 20));
    let statistics = "inactive_anon 1\ninactive_file 77\n";
    assert_eq!(parse::statistic(statistics, "inactive_file"), Some(77));
    assert_eq!(parse::statistic(statistics, "inactive"), None);
}

#[cfg(target_os = "linux")]
#[test]
fn linux_knows() {
    let rss = rss_bytes().expect("resident memory");
    assert!(rss > 0 && peak_rss_bytes() >= Some(rss));
    assert!(threads() >= Some(1));
    assert!(descriptors() >= Some(3));
    let available = available_bytes().expect("available memory");
    assert!(available > 0 && available <= total_bytes().expect("memory"));
}

#[test]
fn a_descriptor_more_is_seen() {
    let Some(before) = descriptors() else {
        return;
    };
    let files: Vec<_> = (0..50)
        .map(|_| std::fs::File::open("/proc/self/status").expect("it can be opened"))
        .collect();
    // Other tests of this process open files, too, but not as many at once.
    assert!(descriptors() >= Some(before + 25));
    drop(files);
}

#[test]
#[cfg(target_os = "linux")]
fn threads_are_named() {
    let (tell, told) = std::sync::mpsc::sync_channel::<()>(0);
    let thread = std::thread::Builder::new().name("a-thread-of-test".into());
    let thread = thread.spawn(move || told.recv()).expect("a thread");
    let named = || {
        let names = thread_names().expect("this is Linux");
        names.iter().any(|name| name == "a-thread-of-tes")
    };
    // It names itself, a moment after it was started.
    while !named() {
        std::thread::yield_now();
    }
    drop(tell);
    assert!(thread.join().expect("no panic").is_err());
    // The system forgets a thread a moment after it was joined.
    while named() {
        std::thread::yield_now();
    }
}
