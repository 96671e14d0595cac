//! Engines of other versions: which of its own an engine is spoken to in, and which it must have.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tenzik::backend::{Backend as _, Readiness};
use tenzik::router::RouteError;
use tenzik_backends::{Docker, DockerConfig};
use tenzik_receipt::{Profile, Sha256};

use crate::common::{router, run, shell, shell_command};

/// An engine that says which versions it has, and makes no container.
struct Speaking {
    directory: tempfile::TempDir,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Speaking {
    fn new(versions: &'static str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(directory.path().join("s")).expect("a socket");
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let path = answer(stream, versions);
                kept.lock().expect("no panic").extend(path);
            }
        });
        Self { directory, asked }
    }

    fn backend(&self) -> Docker {
        let mut config = DockerConfig::new(shell_command());
        config.socket = self.socket();
        config.image = Some(Sha256::from_bytes([7; 32]));
        Docker::new(config)
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    /// The versions in which it was asked for anything but who it is.
    fn spoken(&self) -> Vec<String> {
        let asked = self.asked.lock().expect("no panic");
        let own = asked
            .iter()
            .filter(|path| !["/version", "/info"].contains(&path.as_str()));
        let mut spoken: Vec<_> = own
            .map(|path| path.split('/').nth(1).unwrap_or_default().to_owned())
            .collect();
        spoken.dedup();
        spoken
    }
}

/// Answers one question, and gives its path.
fn answer(mut stream: UnixStream, versions: &str) -> Option<String> {
    let mut question = [0; 16_384];
    let count = stream.read(&mut question).ok()?;
    let question = String::from_utf8_lossy(&question[..count]).into_owned();
    let path = question.split(' ').nth(1)?.to_owned();
    let (status, body) = match path.as_str() {
        "/version" => ("200 OK", versions),
        "/info" => ("200 OK", r#"{"Runtimes":{}}"#),
        path if path.contains("/containers/json") => ("200 OK", "[]"),
        _ => ("500 No", r#"{"message":"it makes none"}"#),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    // Whoever does not wait for it needs none.
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
    Some(path)
}

#[test]
fn an_engine_is_spoken_to_in_the_oldest_version_that_both_have() {
    for (versions, spoken) in [
        (r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12"}"#, "v1.41"),
        (r#"{"ApiVersion":"1.41"}"#, "v1.41"),
        (r#"{"ApiVersion":"1.60","MinAPIVersion":"1.24"}"#, "v1.41"),
        (r#"{"ApiVersion":"1.60","MinAPIVersion":"1.44"}"#, "v1.44"),
        (r#"{"ApiVersion":"2.3","MinAPIVersion":"2.0"}"#, "v2.0"),
    ] {
        let engine = Speaking::new(versions);
        let ended = run(&router(engine.backend()), &shell("true", Profile::Standard));
        assert!(
            matches!(ended, Err(RouteError::Backend { .. })),
            "{versions}: {ended:?}"
        );
        assert_eq!(engine.spoken(), [spoken], "{versions}");
    }
}

#[test]
fn an_engine_that_is_too_old_is_unavailable_and_asked_nothing_more() {
    for versions in [
        r#"{"ApiVersion":"1.40","MinAPIVersion":"1.12"}"#,
        r#"{"ApiVersion":"1.9"}"#,
        // What it says contradicts itself.
        r#"{"ApiVersion":"1.43","MinAPIVersion":"1.44"}"#,
    ] {
        let engine = Speaking::new(versions);
        match engine.backend().probe() {
            Readiness::Unavailable { reason, .. } => {
                assert!(reason.contains("1.41"), "{versions}: {reason}");
            }
            Readiness::Ready { version } => panic!("{versions}: {version}"),
        }
        assert_eq!(engine.spoken(), Vec::<String>::new());
    }
}
