//! A server that answers whatever a test wants.

use std::io::{BufRead as _, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tenzik_log::tile::TilePath;

use crate::hand::HandLog;

/// A request for a path below `/log/`.
pub(crate) struct Asked<'a> {
    pub(crate) path: &'a str,
}

/// What is answered.
pub(crate) enum Reply {
    /// The bytes of a resource, from where they were asked for.
    Bytes(Vec<u8>),
    NotThere,
    /// These bytes, which may be no answer at all.
    Raw(Vec<u8>),
    /// An answer's head, then bytes without an end, with a pause after each piece.
    Endless(&'static str, usize, Duration),
}

type Behaviour = Box<dyn Fn(&Asked<'_>) -> Reply + Send>;

/// Serves until the test ends.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    behaviour: Arc<Mutex<Behaviour>>,
    /// Path and first byte of each request.
    pub(crate) asked: Arc<Mutex<Vec<(String, usize)>>>,
}

impl Served {
    pub(crate) fn start(behaviour: impl Fn(&Asked<'_>) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let served = Self {
            address: listener.local_addr().expect("an address"),
            behaviour: Arc::new(Mutex::new(Box::new(behaviour))),
            asked: Arc::default(),
        };
        let (behaviour, asked) = (Arc::clone(&served.behaviour), Arc::clone(&served.asked));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (behaviour, asked) = (Arc::clone(&behaviour), Arc::clone(&asked));
                // The client may go away at any point.
                thread::spawn(move || {
                    stream
                        .ok()
                        .and_then(|stream| answer(&stream, &behaviour, &asked))
                });
            }
        });
        served
    }

    pub(crate) fn log(log: HandLog) -> Self {
        Self::start(move |asked| honest(&log, asked))
    }

    pub(crate) fn becomes(&self, behaviour: impl Fn(&Asked<'_>) -> Reply + Send + 'static) {
        *self.behaviour.lock().expect("a lock") = Box::new(behaviour);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/log", self.address)
    }
}

/// What an honest log answers.
pub(crate) fn honest(log: &HandLog, asked: &Asked<'_>) -> Reply {
    if asked.path == "checkpoint" {
        return Reply::Bytes(log.head().to_bytes());
    }
    let path: Result<TilePath, _> = asked.path.parse();
    match path.ok().and_then(|path| log.tile(path)) {
        Some(bytes) => Reply::Bytes(bytes),
        None => Reply::NotThere,
    }
}

fn answer(
    mut stream: &TcpStream,
    behaviour: &Mutex<Behaviour>,
    asked: &Mutex<Vec<(String, usize)>>,
) -> Option<()> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let path = first.split(' ').nth(1)?.strip_prefix("/log/")?.to_owned();
    let range = head.iter().find_map(|line| {
        let line = line.to_ascii_lowercase();
        line.strip_prefix("range: bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    });
    let from: usize = range.unwrap_or_default();
    asked.lock().expect("a lock").push((path.clone(), from));
    let reply = behaviour.lock().expect("a lock")(&Asked { path: &path });
    match reply {
        Reply::Bytes(bytes) => stream.write_all(&whole(&bytes, range)).ok(),
        Reply::NotThere => {
            let head = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).ok()
        }
        Reply::Raw(bytes) => stream.write_all(&bytes).ok(),
        Reply::Endless(head, piece, pause) => {
            stream.write_all(head.as_bytes()).ok()?;
            loop {
                stream.write_all(&vec![b'x'; piece]).ok()?;
                thread::sleep(pause);
            }
        }
    }
}

fn whole(bytes: &[u8], range: Option<usize>) -> Vec<u8> {
    let (status, more, body) = match range {
        Some(from) if from < bytes.len() => {
            let range = format!(
                "content-range: bytes {from}-{}/{}\r\n",
                bytes.len() - 1,
                bytes.len()
            );
            ("206 Partial Content", range, &bytes[from..])
        }
        Some(_) => ("416 Range Not Satisfiable", String::new(), &bytes[..0]),
        None => ("200 OK", String::new(), bytes),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
