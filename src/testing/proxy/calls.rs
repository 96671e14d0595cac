//! Calls under way, for which there must be tools that take long or give much.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{Greeted, Suite, is_over};
use super::{FRAMES, Served, call, known_call};
use crate::gateway::ToolId;
use crate::gateway::proxy::CALLS_AT_ONCE_MAX;
use crate::testing::{KnownTool, PATIENCE};

/// How much a client asks for that reads nothing: more than a stream holds, and more than a server need hold for it.
const UNREAD_CALLS: usize = 160;
const UNREAD_BYTES: usize = 256 * 1024;
/// A stream on which nothing was written for so long is taken for full.
const FULL: Duration = Duration::from_secs(1);

const MOST: u64 = CALLS_AT_ONCE_MAX as u64;

fn cancel(id: u64) -> Value {
    json!({"cancel": {"id": id}})
}

fn slow_call(id: u64, slow: &ToolId) -> Value {
    call(id, slow, &json!({}))
}

/// The code of an answer, by its call.
fn told(answer: &Value) -> (Option<u64>, Option<&str>) {
    let answer = &answer["answer"];
    (
        answer["id"].as_u64(),
        answer["answer"]["error"]["code"].as_str(),
    )
}

/// Holds the next frame to be the answer of this call, with this code.
fn answered(client: &mut Greeted, expected: (Option<u64>, Option<&str>), why: &str) {
    let answer = client.frames.next().unwrap_or_default();
    holds!(FRAMES, told(&answer) == expected, "{why}: {answer}");
}

impl Suite<'_> {
    /// A case with a tool that takes long.
    fn slowly(
        &self,
        what: &'static str,
        case: impl FnOnce(Served, &KnownTool, &ToolId) + Send + 'static,
    ) {
        let Some(slow) = self.known.slow().cloned() else {
            return;
        };
        let known = self.known.clone();
        self.case(what, move |served| case(served, &known, &slow));
    }

    pub(super) fn serves_as_many_at_once_as_there_may_be(&self) {
        self.slowly("many calls at once", |served, _, slow| {
            let mut client = Greeted::let_in(served);
            (0..MOST).for_each(|id| client.frames.send(&slow_call(id, slow)));
            (0..MOST).for_each(|id| client.frames.send(&cancel(id)));
            let answers = (0..MOST).map(|_| client.frames.next().unwrap_or_default());
            let codes: BTreeMap<_, _> = answers
                .map(|answer| {
                    let (id, code) = told(&answer);
                    (id, code.map(str::to_owned))
                })
                .collect();
            holds!(
                FRAMES,
                (0..MOST).all(|id| codes.get(&Some(id)) == Some(&Some("cancelled".to_owned()))),
                "{MOST} calls at once are served, and each that is cancelled has its answer: {codes:?}"
            );
            client.leave("calls that were cancelled");
        });
    }

    pub(super) fn refuses_more_at_once(&self) {
        for (ids, why) in [
            (
                (0..=MOST).collect::<Vec<_>>(),
                "more calls at once than there may be",
            ),
            (vec![3, 3], "an id of a call that is under way"),
        ] {
            self.slowly(why, move |served, _, slow| {
                let mut client = Greeted::let_in(served);
                ids.iter()
                    .for_each(|id| client.frames.send(&slow_call(*id, slow)));
                holds!(
                    FRAMES,
                    client.frames.is_refused(),
                    "`refused` is the last frame, and says why the connection ends: {why}"
                );
                client.leave(why);
            });
        }
    }

    pub(super) fn cancels_one_call(&self) {
        self.slowly("a cancel of a call under way", |served, known, slow| {
            let mut client = Greeted::let_in(served);
            client.frames.send(&slow_call(1, slow));
            client.frames.send(&known_call(2, known));
            answered(
                &mut client,
                (Some(2), None),
                "answers come in the order in which they are ready",
            );
            client.frames.send(&cancel(1));
            answered(
                &mut client,
                (Some(1), Some("cancelled")),
                "the answer of a call that was cancelled comes all the same",
            );
            client.frames.send(&known_call(1, known));
            answered(
                &mut client,
                (Some(1), None),
                "an id whose answer came is free again",
            );
            client.leave("a call that was cancelled");
        });
    }

    pub(super) fn cancels_what_nobody_waits_for(&self) {
        self.slowly("calls under way", |served, known, slow| {
            let mut client = Greeted::let_in(served);
            client.frames.send(&slow_call(1, slow));
            // Its answer shows that the first was read.
            client.frames.send(&known_call(2, known));
            answered(&mut client, (Some(2), None), "a call is answered");
            client.leave("a call under way");
        });
    }

    /// A client that asks and reads nothing makes a server hold answers, and is not read for ever.
    pub(super) fn holds_up_who_reads_no_answers(&self) {
        let Some(echoing) = self.known.echoing().cloned() else {
            return;
        };
        self.case("answers that are not read", move |served| {
            let client = Greeted::let_in(served);
            let (mut frames, ended) = client.into_parts();
            let written = Arc::new(AtomicUsize::new(0));
            let mut writer = std::mem::replace(&mut frames.writer, Box::new(std::io::sink()));
            let count = Arc::clone(&written);
            let flood = thread::spawn(move || {
                let text = json!({"text": "x".repeat(UNREAD_BYTES)});
                for id in 0..UNREAD_CALLS as u64 {
                    let frame = format!("{}\n", call(id, &echoing, &text));
                    if writer.write_all(frame.as_bytes()).is_err() {
                        break;
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                }
                writer
            });
            let taken = when_still(&written);
            holds!(
                FRAMES,
                taken < UNREAD_CALLS,
                "a client that reads no answers is soon not read either, and {taken} calls were"
            );
            // It may be refused for that. Else it is read again as soon as it reads.
            let answered = std::iter::from_fn(|| frames.next())
                .take(UNREAD_CALLS)
                .filter(|frame| frame.get("answer").is_some())
                .count();
            let writer = flood.join();
            let sent = written.load(Ordering::SeqCst);
            holds!(
                FRAMES,
                answered == UNREAD_CALLS || sent < UNREAD_CALLS,
                "a client that reads its answers has all of them: {answered} of {sent}"
            );
            drop((writer, frames));
            is_over(ended, "answers that were not read");
        });
    }
}

/// How far a count is when it goes on no more.
fn when_still(count: &AtomicUsize) -> usize {
    let until = Instant::now() + PATIENCE;
    let (mut last, mut since) = (count.load(Ordering::SeqCst), Instant::now());
    while since.elapsed() < FULL && Instant::now() < until && last < UNREAD_CALLS {
        thread::sleep(Duration::from_millis(10));
        let now = count.load(Ordering::SeqCst);
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last
}
