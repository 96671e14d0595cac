//! Node: the same module as ours, a new instance for each call, timed by Node itself in a process that stays.

use std::io::{self, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Peer;

/// A process that makes calls and says how long they took. It ends when its input does.
pub(crate) fn start(module: &[u8], input: &[u8]) -> io::Result<Peer<'static>> {
    let mut node = Command::new("node")
        .args(["--input-type=module", "--eval", include_str!("node.mjs")])
        .args([hex(module), hex(input)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (Some(mut asked), Some(said)) = (node.stdin.take(), node.stdout.take()) else {
        return Err(io::Error::other("it has no input and output"));
    };
    let mut said = BufReader::new(said);
    let version = line(&mut said)?;
    let batch = move |calls: u32| {
        writeln!(asked, "{calls}").expect("it reads");
        let ns = line(&mut said).expect("it writes");
        Duration::from_nanos(ns.parse().expect("a number"))
    };
    Ok(Peer {
        what: format!("node {version}, new instance"),
        target: Some(6.0),
        calls: 24,
        batch: Box::new(batch),
    })
}

fn line(said: &mut impl io::BufRead) -> io::Result<String> {
    let mut line = String::new();
    match said.read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim().to_owned()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
