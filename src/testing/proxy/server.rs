//! The half beside the tools.

use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::{FRAMES, Frames, Served, bounded, known_call};
use crate::gateway::proxy::{FRAME_BYTES_MAX, Token, VERSION};
use crate::testing::{KnownTool, PATIENCE};

/// How long a case may take, whatever the server does: some megabytes go through it.
const CASE: Duration = Duration::from_secs(120);

/// Holds a server against the protocol. `open` gives a connection to one whose run may call tools three hundred times.
///
/// # Panics
/// With the promise that is broken.
pub fn proxy_server(open: &dyn Fn() -> Served, known: &KnownTool) {
    proxy_server_within(CASE, open, known);
}

/// With another patience for each case.
pub(in crate::testing) fn proxy_server_within(
    patience: Duration,
    open: &dyn Fn() -> Served,
    known: &KnownTool,
) {
    let suite = Suite {
        patience,
        open,
        known,
    };
    suite.answers();
    suite.refuses_who_is_not_its_client();
    suite.refuses_what_is_no_frame();
    suite.refuses_a_frame_that_is_too_long();
    suite.ends_with_its_stream();
    suite.serves_as_many_at_once_as_there_may_be();
    suite.refuses_more_at_once();
    suite.cancels_one_call();
    suite.cancels_what_nobody_waits_for();
    suite.holds_up_who_reads_no_answers();
}

pub(super) struct Suite<'a> {
    patience: Duration,
    pub(super) open: &'a dyn Fn() -> Served,
    pub(super) known: &'a KnownTool,
}

/// A connection that was greeted.
pub(super) struct Greeted {
    pub(super) frames: Frames,
    token: Token,
    ended: Option<Receiver<()>>,
}

impl Greeted {
    pub(super) fn of(served: Served) -> Self {
        let mut frames = Frames::of(served.stream);
        let greeting = frames.next();
        let greeting = greeting.unwrap_or_else(|| panic!("{FRAMES}: the server speaks first"));
        holds!(
            FRAMES,
            greeting["gateway"]["version"] == VERSION,
            "the server's first frame says its version: {greeting}"
        );
        holds!(
            FRAMES,
            greeting["gateway"].get("token").is_none(),
            "the token stands in it only where the stream itself was inherited"
        );
        Self {
            frames,
            token: served.token,
            ended: served.ended,
        }
    }

    /// And is let in.
    pub(super) fn let_in(served: Served) -> Self {
        let mut greeted = Self::of(served);
        greeted.hello(VERSION);
        greeted
    }

    pub(super) fn into_parts(self) -> (Frames, Option<Receiver<()>>) {
        (self.frames, self.ended)
    }

    fn hello(&mut self, version: u32) {
        let hello = json!({"hello": {"version": version, "token": self.token.to_hex()}});
        self.frames.send(&hello);
    }

    /// Goes away, and waits for the server to do so too.
    pub(super) fn leave(self, what: &str) {
        drop(self.frames);
        is_over(self.ended, what);
    }
}

pub(super) fn is_over(ended: Option<Receiver<()>>, what: &str) {
    let late = ended.map(|ended| ended.recv_timeout(PATIENCE));
    holds!(
        FRAMES,
        late != Some(Err(RecvTimeoutError::Timeout)),
        "a connection ends with its stream, and one with {what} did not"
    );
}

impl Suite<'_> {
    /// A case on a connection of its own.
    pub(super) fn case(&self, what: &'static str, case: impl FnOnce(Served) + Send + 'static) {
        let served = (self.open)();
        bounded(self.patience, what, move || case(served));
    }

    fn answers(&self) {
        let known = self.known.clone();
        self.case("calls", move |served| {
            let mut client = Greeted::let_in(served);
            for id in [7, 0, u64::MAX, 7] {
                client.frames.send(&known_call(id, &known));
                let answer = client.frames.next().unwrap_or_default();
                let answer = &answer["answer"];
                let result = &answer["answer"]["ok"]["result"];
                holds!(
                    FRAMES,
                    answer["id"] == id && *result == known.result().to_value(),
                    "an answer has its call's id and the tool's result: {answer}"
                );
            }
            client.frames.send_text("{\"cancel\":{\"id\":99}}");
            client.frames.send_text("{\"call\":{\"id\":1,\"request\":{\"run_tool\":{\"tool\":\"no:such-tool\",\"arguments\":{}}}}}");
            let answer = client.frames.next().unwrap_or_default();
            holds!(
                FRAMES,
                answer["answer"]["answer"]["error"]["code"] == "not_found",
                "a cancel of no call is nothing, and an error is an answer: {answer}"
            );
            client.leave("no call");
        });
    }

    fn refused(&self, why: &'static str, say: impl FnOnce(&mut Greeted) + Send + 'static) {
        self.case(why, move |served| {
            let mut client = Greeted::of(served);
            say(&mut client);
            holds!(
                FRAMES,
                client.frames.is_refused(),
                "`refused` is the last frame, and says why the connection ends: {why}"
            );
            is_over(client.ended, why);
        });
    }

    fn refuses_who_is_not_its_client(&self) {
        let hello = |token: String| json!({"hello": {"version": VERSION, "token": token}});
        for (first, why) in [
            (hello("0".repeat(64)), "a guessed token"),
            (hello(String::new()), "no token"),
            (known_call(1, self.known), "a call before hello"),
        ] {
            self.refused(why, move |client| client.frames.send(&first));
        }
        self.refused("another version", |client| client.hello(VERSION + 1));
        self.refused("hello twice", |client| {
            client.hello(VERSION);
            client.hello(VERSION);
        });
    }

    fn refuses_what_is_no_frame(&self) {
        for (frame, why) in [
            ("{\"call\":{\"id\":1}}", "a call without a request"),
            (
                "{\"call\":{\"id\":-1,\"request\":{\"list_namespaces\":{}}}}",
                "an id below zero",
            ),
            ("{\"shell\":{}}", "a frame of no known form"),
            ("{}", "a frame of no form"),
            ("[]", "a frame that is no object"),
            ("", "an empty line"),
            (
                "{\"call\":{\"id\":1,\"request\":{\"list_namespaces\":{}}},\"x\":1}",
                "two frames in a line",
            ),
            ("\u{0}", "no JSON"),
        ] {
            self.refused(why, move |client| {
                client.hello(VERSION);
                client.frames.send_text(frame);
            });
        }
    }

    /// It has no end, so that a server that waits for one holds all of it.
    fn refuses_a_frame_that_is_too_long(&self) {
        self.case("a frame that is too long", |served| {
            let mut client = Greeted::let_in(served);
            let mut writer = std::mem::replace(&mut client.frames.writer, Box::new(io::sink()));
            let (is_told, told) = channel::<()>();
            // A server that has refused reads no more, and who goes on writing to it may wait.
            thread::spawn(move || {
                let start = writer.write_all(b"{\"call\":");
                let blanks = vec![b' '; 64 * 1024];
                let mut rest = (0..=FRAME_BYTES_MAX / blanks.len()).map(|_| writer.write_all(&blanks));
                drop(start.and_then(|()| rest.try_for_each(|written| written)));
                // The stream stays open until then: a frame that was cut off is another thing.
                let _ = told.recv();
            });
            holds!(
                FRAMES,
                client.frames.is_refused(),
                "a frame has {FRAME_BYTES_MAX} bytes at most, and a longer one is refused before its end"
            );
            drop(is_told);
        });
    }

    /// Whoever goes away takes the server's half of this connection with it, and no other.
    fn ends_with_its_stream(&self) {
        let served = (self.open)();
        let mut other = bounded(self.patience, "hello", move || Greeted::let_in(served));
        self.case("a frame that was begun", |served| {
            let mut client = Greeted::let_in(served);
            let _ = client.frames.writer.write_all(b"{\"call\":{\"id\":1,");
            client.leave("half a frame");
        });
        self.case("no hello", |served| Greeted::of(served).leave("no hello"));
        let known = self.known.clone();
        bounded(self.patience, "another connection's end", move || {
            other.frames.send(&known_call(3, &known));
            let answer = other.frames.next().unwrap_or_default();
            holds!(
                FRAMES,
                answer["answer"]["id"] == 3,
                "a connection that ended takes no other with it: {answer}"
            );
        });
    }
}
