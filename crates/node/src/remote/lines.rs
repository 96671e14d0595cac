//! What a node tells of an execution, line by line.
//!
//! Enters: an answer as it comes. Leaves: what was heard, in order, through a channel. Refuses: lines that are longer than an answer may be, or that are not of the form.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{SyncSender, TrySendError};

use serde::Deserialize;

use crate::federation::client::{ClientError, Opened};

/// The longest line that is not the last one.
const SHORT_BYTES_MAX: u64 = 4 * 1024;
/// The longest last line: a result of 16 MiB and two streams as long, in base64, with the receipt.
const END_BYTES_MAX: u64 = 68 << 20;

/// What was heard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Part of a line came.
    Alive,
    /// It waits for a place.
    Queued,
    /// It runs.
    Running,
    /// It is over: the last line.
    End(Vec<u8>),
    /// The node answered with another status than 200, and this body, cut.
    Status(u16, Vec<u8>),
    /// What came is not of the form.
    Nonsense(String),
    /// The connection could not be had, or broke; nothing more comes.
    Broken(String),
}

/// Tells what is heard of an answer, to its end or until nobody listens.
pub(super) fn hear(opened: Result<Opened, ClientError>, sender: &SyncSender<Heard>) {
    let last = match opened {
        Ok(opened) if opened.status == 200 => tell(opened.body, sender),
        Ok(opened) => {
            let mut body = Vec::new();
            // What cannot be read of it says nothing.
            let _ = opened.body.take(SHORT_BYTES_MAX).read_to_end(&mut body);
            Some(Heard::Status(opened.status, body))
        }
        Err(error) => Some(Heard::Broken(error.to_string())),
    };
    if let Some(last) = last {
        // Nobody may listen any more.
        let _ = sender.send(last);
    }
}

/// Tells each line, and gives what is to be told last; nothing if nobody listens.
fn tell(body: impl Read, sender: &SyncSender<Heard>) -> Option<Heard> {
    let mut reader = BufReader::new(body);
    loop {
        let heard = match line(&mut reader, sender)? {
            Ok(line) => heard(line),
            Err(error) => Heard::Broken(error.to_string()),
        };
        match heard {
            Heard::Queued | Heard::Running => sender.send(heard).ok()?,
            last => return Some(last),
        }
    }
}

/// One line without its end; a body that ends within one is broken. Nothing if nobody listens any more: a line may be long.
fn line(reader: &mut impl BufRead, sender: &SyncSender<Heard>) -> Option<std::io::Result<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        let part = match reader.fill_buf() {
            Ok([]) => return Some(Err(std::io::ErrorKind::UnexpectedEof.into())),
            Ok(part) => part,
            Err(error) => return Some(Err(error)),
        };
        let end = part.iter().position(|byte| *byte == b'\n');
        line.extend_from_slice(&part[..end.unwrap_or(part.len())]);
        let read = end.map_or(part.len(), |end| end + 1);
        reader.consume(read);
        if line.len() as u64 > END_BYTES_MAX {
            return Some(Err(std::io::Error::other("the line is too long")));
        }
        if end.is_some() {
            return Some(Ok(line));
        }
        // Where there is no room it is known already that something comes.
        if let Err(TrySendError::Disconnected(_)) = sender.try_send(Heard::Alive) {
            return None;
        }
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    event: &'a str,
}

/// What a line says.
pub(super) fn heard(line: Vec<u8>) -> Heard {
    let short = line.len() as u64 <= SHORT_BYTES_MAX;
    match serde_json::from_slice::<Event<'_>>(&line).map(|event| event.event) {
        Ok("end") => Heard::End(line),
        Ok("queued") if short => Heard::Queued,
        Ok("running") if short => Heard::Running,
        // A later node may tell more than this one knows.
        Ok(_) if short => Heard::Running,
        Ok(_) => Heard::Nonsense("a line is too long".to_owned()),
        Err(error) => Heard::Nonsense(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::remote::elsewhere::WAITING_MAX;

    fn all(bytes: &[u8]) -> Vec<Heard> {
        let (sender, heard) = sync_channel(10_000);
        let last = tell(bytes, &sender);
        drop(sender);
        let heard = heard.into_iter().chain(last);
        heard.filter(|heard| *heard != Heard::Alive).collect()
    }

    /// A result of some megabytes over a slow link takes longer than a silence may.
    #[test]
    fn a_long_line_is_alive_and_ends_where_nobody_listens() {
        let long = vec![b'x'; 100_000];
        let (sender, heard) = sync_channel(10_000);
        assert!(tell(&long[..], &sender).is_some());
        assert!(
            heard
                .try_iter()
                .filter(|heard| *heard == Heard::Alive)
                .count()
                > 5
        );
        drop(heard);
        assert_eq!(tell(&long[..], &sender), None);
    }

    #[test]
    fn lines_are_heard_in_order_to_the_end_and_no_further() {
        let end = "{\"event\":\"end\",\"receipt\":null}";
        let text = format!(
            "{{\"event\":\"queued\"}}\n{{\"event\":\"running\",\"elapsed_ms\":1}}\n{{\"event\":\"later\"}}\n{end}\n{end}\n"
        );
        let end = Heard::End(end.into());
        let told = [Heard::Queued, Heard::Running, Heard::Running, end];
        assert_eq!(all(text.as_bytes()), told);
    }

    /// A line again and again, without end, and how many bytes of it were read.
    struct Endless<'a>(&'a [u8], &'a AtomicUsize);

    impl Read for Endless<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let read = self.0.len().min(into.len());
            into[..read].copy_from_slice(&self.0[..read]);
            self.1.fetch_add(read, Ordering::SeqCst);
            Ok(read)
        }
    }

    /// Whoever is slow to listen holds up who floods, and has no more than some lines in memory.
    #[test]
    fn a_flood_of_lines_is_read_no_further_than_it_is_listened_to() {
        const LISTENED: usize = 100;
        let line = b"{\"event\":\"running\"}\n";
        let (read, buffer) = (AtomicUsize::new(0), 8 * 1_024);
        std::thread::scope(|scope| {
            let (sender, heard) = sync_channel(WAITING_MAX);
            let telling = scope.spawn(|| {
                let sender = sender;
                tell(Endless(line, &read), &sender)
            });
            for _ in 0..LISTENED {
                assert_eq!(heard.recv(), Ok(Heard::Running));
                std::thread::sleep(Duration::from_millis(1));
            }
            drop(heard);
            assert_eq!(telling.join().expect("no panic"), None);
        });
        // Those that were heard, those that waited, the one that was being sent, and what was read ahead.
        let most = (LISTENED + WAITING_MAX + 1) * line.len() + buffer;
        let read = read.into_inner();
        assert!(read <= most, "{read} of {most}");
    }

    #[test]
    fn a_line_without_end_is_read_as_far_as_an_answer_may_be_long() {
        let (read, buffer) = (AtomicUsize::new(0), 64 * 1_024);
        let (sender, _heard) = sync_channel(WAITING_MAX);
        let told = tell(Endless(&[b'x'; 4_096], &read), &sender);
        assert!(matches!(told, Some(Heard::Broken(_))), "{told:?}");
        let read = read.into_inner();
        assert!(read as u64 <= END_BYTES_MAX + buffer, "{read}");
    }

    #[test]
    fn a_body_that_ends_within_a_line_is_broken_and_a_long_line_is_nonsense() {
        for text in ["", "{\"event\":\"end\"}", "{\"event\":\"queued\"}\n{"] {
            let last = all(text.as_bytes()).pop();
            assert!(matches!(last, Some(Heard::Broken(_))), "{text}: {last:?}");
        }
        let long = format!(
            "{{\"event\":\"running\",\"pad\":\"{}\"}}\n",
            "x".repeat(5_000)
        );
        assert!(matches!(all(long.as_bytes())[..], [Heard::Nonsense(_)]));
    }

    proptest! {
        /// Whatever comes, something is told last, and it is the end only where a line says so.
        #[test]
        fn any_bytes_come_to_an_end(bytes: Vec<u8>) {
            let heard = all(&bytes);
            prop_assert!(matches!(heard.last(), Some(Heard::Broken(_) | Heard::Nonsense(_))));
        }

        #[test]
        fn any_json_object_is_something(text in "\\{\"event\":\"[a-z]{0,8}\"(,\"[a-z]\":[1-9][0-9]{0,2}){0,3}\\}\n") {
            let heard = all(text.as_bytes());
            prop_assert!(!heard.iter().any(|heard| matches!(heard, Heard::Nonsense(_))), "{heard:?}");
        }
    }
}
