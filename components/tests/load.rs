//! `Settings::load`, which reads the process's own directory and environment: each test runs this
//! binary again as a process of its own.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::Command;

use d3_components::Settings;

/// What the child does; not a test by itself.
#[test]
#[ignore = "run by the others, in a process of its own"]
fn child() {
    match Settings::load() {
        Ok(settings) => println!(
            "loaded: {:?} workers, dev_mode {}, from {}",
            settings.executor().executors,
            settings.dev_mode(),
            settings
                .sources()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ),
        Err(error) => println!("error: {error}"),
    }
}

/// A directory with a `config` in it that goes away with the test.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let home = std::env::temp_dir().join(format!("d3-load-{name}-{}", std::process::id()));
        std::fs::create_dir_all(home.join("config")).unwrap();
        let write = |file, text| std::fs::write(home.join("config").join(file), text).unwrap();
        write("default.toml", "[executor]\nexecutors = 1");
        write("production.toml", "[executor]\nexecutors = 2");
        Self(home)
    }

    fn load<K: AsRef<OsStr>, V: AsRef<OsStr>>(&self, variables: &[(K, V)]) -> String {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .current_dir(&self.0)
            .env_remove("RUN_MODE")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text
            .lines()
            .find(|line| line.contains("loaded: ") || line.contains("error: "));
        line.unwrap_or_else(|| panic!("nothing in {text}"))
            .to_owned()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_mode_is_development_unless_the_environment_says_otherwise() {
    let home = Home::new("mode");
    let none: [(&str, &str); 0] = [];
    let line = home.load(&none);
    assert!(line.contains("loaded: Some(1) workers, dev_mode false, from config/default.toml, config/development.toml (absent)"), "{line}");
    let line = home.load(&[("RUN_MODE", "production"), ("APP__DEV_MODE", "true")]);
    assert!(
        line.contains("loaded: Some(2) workers, dev_mode true"),
        "{line}"
    );
    assert!(
        line.contains("config/production.toml") && line.contains("the environment"),
        "{line}"
    );
    let line = home.load(&[("RUN_MODE", "none")]);
    assert!(
        line.contains("loaded: Some(1) workers") && line.contains("none.toml (absent)"),
        "{line}"
    );
}

#[test]
fn variables_that_are_no_text_are_errors_only_where_they_are_ours() {
    let home = Home::new("text");
    let no_text = OsString::from_vec(vec![0xff, 0xfe]);
    let line = home.load(&[("SOMETHING", &no_text)]);
    assert!(line.contains("loaded: "), "{line}");
    let line = home.load(&[("APP__DEV_MODE", &no_text)]);
    assert!(
        line.contains("error: environment variable APP__DEV_MODE: is not valid Unicode"),
        "{line}"
    );
    let line = home.load(&[("RUN_MODE", &no_text)]);
    assert!(
        line.contains("error: environment variable RUN_MODE: is not valid Unicode"),
        "{line}"
    );
}
