//! One call of a function by a worker.
//!
//! Enters: a worker that does nothing else meanwhile, and what to call. Leaves: how it ended, and whether the worker may be
//! used again. Refuses: to take for this call's what does not have its token; to believe anything of the worker's but a value.

use std::io::{ErrorKind, Write as _};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use serde_json::json;
use tenzik::backend::{BackendError, Captured, Ended, Job};
use tenzik::gateway::proxy::FRAME_BYTES_MAX;
use tenzik::router::Limit;
use tenzik_receipt::{InputType, Label, to_hex};

use super::relay::Relay;
use super::worker::{Worker, tick};
use crate::guest::{ResultLine, failed};
use crate::supervise::{CHUNK, Filtered, GRACE, TICK, with_limit, without_result};

/// What stands in front of a line's JSON, with room.
const HEAD_BYTES_MAX: u64 = 64;
/// How much may wait for a worker to read it, before the gateway is not read any more.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// What to call.
pub(super) struct Order<'a> {
    pub(super) job: &'a Job<'a>,
    /// The entrypoint, as the worker sees it.
    pub(super) entry: String,
    pub(super) export: &'a str,
    /// The most bytes of standard error that are kept.
    pub(super) stderr_bytes_max: Option<u64>,
}

/// A call that is over.
pub(super) struct Called {
    pub(super) ended: Ended,
    pub(super) stdout: Captured,
    pub(super) stderr: Captured,
    /// Whether there was nothing about it for which the worker must go.
    pub(super) clean: bool,
}

pub(super) fn call(worker: &mut Worker, order: &Order<'_>) -> Result<Called, BackendError> {
    let mut chance = [0; 16];
    getrandom::fill(&mut chance).map_err(|error| BackendError::failed("name a call", error))?;
    let relay = order.job.gateway.map(Relay::open).transpose()?;
    let room = |bytes: Option<u64>| {
        bytes.map_or(usize::MAX, |bytes| {
            usize::try_from(bytes).unwrap_or(usize::MAX)
        })
    };
    let output = order.job.limits.get(Limit::OutputBytes);
    for (stream, bytes) in [
        (&mut worker.stdout, output),
        (
            &mut worker.stderr,
            output.min(order.stderr_bytes_max.or(output)),
        ),
    ] {
        stream.captured = Captured::default();
        stream.room = room(bytes);
    }
    worker.calls += 1;
    worker.host.begin();
    let mut calling = Calling {
        token: to_hex(&chance),
        telling: Vec::new(),
        told: 0,
        line: Vec::new(),
        relay,
        said: None,
        spoilt: false,
        exited: None,
        order,
        worker,
    };
    calling.begin();
    let stopped = calling.until_over();
    Ok(calling.over(stopped))
}

struct Calling<'a> {
    worker: &'a mut Worker,
    order: &'a Order<'a>,
    token: String,
    /// What the worker has still to read, from `told` on.
    telling: Vec<u8>,
    told: usize,
    /// What it said, up to the end of a line.
    line: Vec<u8>,
    relay: Option<Relay>,
    said: Option<Ended>,
    spoilt: bool,
    exited: Option<Instant>,
}

impl Calling<'_> {
    fn begin(&mut self) {
        let job = self.order.job;
        let head = json!({
            "bytes": job.input_type == InputType::Bytes,
            "entry": self.order.entry,
            "export": self.order.export,
            "token": self.token,
            "tools": self.relay.is_some(),
        });
        let head = format!("{head}\n");
        self.tell("call", &[head.as_bytes(), job.input]);
    }

    fn tell(&mut self, kind: &str, parts: &[&[u8]]) {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        self.telling
            .extend_from_slice(format!("{kind} {bytes}\n").as_bytes());
        for part in parts {
            self.telling.extend_from_slice(part);
        }
    }

    /// Until the call is over, or has to be stopped, and then for what.
    fn until_over(&mut self) -> Option<Ended> {
        let job = self.order.job;
        let mut looked = Instant::now();
        loop {
            self.serve();
            if self.said.is_some() {
                return None;
            }
            self.wait();
            let now = Instant::now();
            if job.control.is_cancelled() {
                let code = Label::constant("cancelled");
                return Some(Ended::Aborted { code });
            }
            if job.deadline.is_some_and(|deadline| now >= deadline) {
                return Some(Ended::LimitReached(Limit::WallMs));
            }
            if now - looked >= TICK {
                looked = now;
                if let Some(limit) = self.worker.host.limit_reached() {
                    return Some(Ended::LimitReached(limit));
                }
            }
            match self.exited {
                None if self.worker.has_ended() => self.exited = Some(now),
                // What it wrote before its end is read, but not what others may still write.
                Some(since) if self.worker.said.file.is_none() || now - since >= GRACE => {
                    return None;
                }
                _ => {}
            }
        }
    }

    fn wait(&self) {
        let streams = [&self.worker.stdout, &self.worker.stderr];
        let reading = streams
            .into_iter()
            .filter_map(|stream| stream.file.as_ref());
        let mut fds: Vec<_> = reading
            .map(|file| PollFd::new(file, PollFlags::IN))
            .collect();
        if let Some(said) = self.worker.said.file.as_ref().filter(|_| self.may_ask()) {
            fds.push(PollFd::new(said, PollFlags::IN));
        }
        if let Some(stdin) = self
            .worker
            .stdin
            .as_ref()
            .filter(|_| !self.telling.is_empty())
        {
            fds.push(PollFd::new(stdin, PollFlags::OUT));
        }
        if let Some(relay) = self.relay.as_ref().filter(|relay| !relay.closed) {
            let mut wanted = PollFlags::empty();
            wanted.set(PollFlags::OUT, !relay.asking.is_empty());
            wanted.set(PollFlags::IN, self.telling.len() < WAITING_BYTES_MAX);
            // That it hung up would be told at once, also where nothing is wanted of it and so nothing is done about that.
            if !wanted.is_empty() {
                fds.push(PollFd::new(&relay.stream, wanted));
            }
        }
        // An interrupted wait is a short one.
        let _ = poll(&mut fds, Some(&tick()));
    }

    /// Whether the gateway has read what it was asked: before that the worker is not listened to.
    fn may_ask(&self) -> bool {
        self.relay
            .as_ref()
            .is_none_or(|relay| relay.asking.is_empty())
    }

    fn serve(&mut self) {
        self.feed();
        let mut buffer = [0; CHUNK];
        // One piece of each, so that a flood of one does not keep the others and the clock from being looked at.
        for stream in [&mut self.worker.stdout, &mut self.worker.stderr] {
            if let Some(count) = stream.read(&mut buffer) {
                stream.keep(&buffer[..count]);
            }
        }
        if self.may_ask()
            && let Some(count) = self.worker.said.read(&mut buffer)
        {
            self.take(&buffer[..count]);
        }
        if self.telling.len() < WAITING_BYTES_MAX {
            let Some(relay) = self.relay.as_mut().filter(|relay| !relay.closed) else {
                return;
            };
            let frames = relay.serve();
            let closed = relay.closed;
            for frame in frames {
                self.tell("tools", &[&frame]);
            }
            if closed {
                self.tell("tools", &[b"{}"]);
            }
        }
    }

    fn feed(&mut self) {
        let Some(stdin) = self
            .worker
            .stdin
            .as_mut()
            .filter(|_| !self.telling.is_empty())
        else {
            return;
        };
        match stdin.write(&self.telling[self.told..]) {
            Ok(count) => self.told += count,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // It is gone, or does not want to hear.
            Err(_) => self.worker.stdin = None,
        }
        if self.told == self.telling.len() || self.worker.stdin.is_none() {
            self.telling.clear();
            self.told = 0;
        }
    }

    /// Takes what the worker said. Nothing is taken behind the result.
    fn take(&mut self, mut bytes: &[u8]) {
        while self.said.is_none() {
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                self.line.extend_from_slice(bytes);
                if self.line.len() as u64 > self.line_bytes_max() {
                    self.said = Some(Ended::LimitReached(Limit::OutputBytes));
                    self.spoilt = true;
                }
                return;
            };
            self.line.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.hear(&line);
        }
        self.spoilt |= !bytes.is_empty();
    }

    fn line_bytes_max(&self) -> u64 {
        let tools = format!("{} tools ", self.token);
        if self.relay.is_some() && self.line.starts_with(tools.as_bytes()) {
            return FRAME_BYTES_MAX as u64 + HEAD_BYTES_MAX;
        }
        let output = self.order.job.limits.get(Limit::OutputBytes);
        output.map_or(u64::MAX, |bytes| {
            bytes.saturating_add(bytes / 3 + 2 * HEAD_BYTES_MAX)
        })
    }

    fn hear(&mut self, line: &[u8]) {
        let mut parts = line.splitn(3, |byte| *byte == b' ');
        let (token, kind, frame) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
        let own = token == Some(self.token.as_bytes());
        match (own, kind, &mut self.relay) {
            (true, Some(b"result"), _) => self.said = self.read(frame),
            (true, Some(b"last"), _) => {
                self.said = self.read(frame);
                self.spoilt = true;
            }
            (true, Some(b"tools"), Some(relay)) => relay.ask(frame),
            // What an earlier call left behind is not this one's, whatever it is.
            (false, Some(b"result" | b"last" | b"tools"), _) if token.is_some_and(is_token) => {
                self.spoilt = true
            }
            _ => {
                self.said = Some(failed("bad_result", None));
                self.spoilt = true;
            }
        }
    }

    fn read(&self, frame: &[u8]) -> Option<Ended> {
        let job = self.order.job;
        let mut line = ResultLine::new(job.input_type, job.limits.get(Limit::OutputBytes));
        line.take(frame).or_else(|| line.take(b"\n"))
    }

    fn over(mut self, stopped: Option<Ended>) -> Called {
        self.worker.drain();
        let settled = self.relay.as_ref().is_none_or(Relay::is_settled);
        let mut clean = !self.spoilt
            && settled
            && self.telling.is_empty()
            && stopped.is_none()
            && self.said.is_some();
        // Tools are over with the call.
        drop(self.relay.take());
        // A limit that it felt is told of the worker, and so of this call.
        let met = self.worker.host.limit_met();
        clean = clean && met.is_none() && self.worker.rest();
        let status = if clean { None } else { self.worker.end() };
        let said = stopped
            .or(self.said)
            .unwrap_or_else(|| without_result(status));
        let filtered = match self.worker.host.isolation().seccomp {
            Some(_) => Filtered::Ours,
            None => Filtered::NotOurs,
        };
        let ended = with_limit(&said, status, met, filtered);
        Called {
            ended,
            stdout: std::mem::take(&mut self.worker.stdout.captured),
            stderr: std::mem::take(&mut self.worker.stderr.captured),
            clean,
        }
    }
}

/// Whether it could be some call's token.
fn is_token(word: &[u8]) -> bool {
    word.len() == 32
        && word
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
