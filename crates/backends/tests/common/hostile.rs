//! Programs that try to get out or to take more than they may, for any backend that has a shell and serves more than `dev`.
//! Each holds what came of one against what must.

use std::io::Read as _;
use std::net::TcpListener;

use tenzik::router::{ExecuteRequest, Execution, Limit, RouteError, Router};
use tenzik_receipt::Profile;

use super::watch::{argued, bombed, marked, watched};
use super::{limited, run, shell, value};

/// Pauses of a program, in seconds. On a machine that has much to do a short one may be over before anybody looked.
pub(crate) const PAUSES: [&str; 3] = ["0.3", "2", "8"];
/// Times of a program without an end, its start among them. On a machine that has much to do a short one may be over before the
/// program began.
pub(crate) const WALLS_MS: [i64; 3] = [4_000, 16_000, 60_000];
/// A shell that becomes ever more of them, all with its own arguments. One that can make no process ends, so the first makes
/// none but the bomb.
pub(crate) const BOMB: &str =
    "bomb() { echo bomb >&2; bomb | bomb & sleep 60; }; bomb & while :; do :; done";

/// A backend under test.
pub(crate) struct Target {
    pub(crate) router: Router,
    pub(crate) profile: Profile,
    /// The memory that its smallest program can run in.
    pub(crate) memory_bytes: i64,
    /// Processor time that it needs to begin, with room.
    pub(crate) cpu_ms: i64,
    /// A program of its own that leads to `r=1` if it connects to the port in `$port` of the loopback.
    pub(crate) connects: &'static str,
}

impl Target {
    pub(crate) fn request(&self, text: &str) -> ExecuteRequest {
        shell(text, self.profile)
    }

    pub(crate) fn value(&self, text: &str) -> String {
        value(&self.router, &self.request(text))
    }

    /// The limit that a program meets.
    pub(crate) fn meets(&self, text: &str, limits: &[(Limit, i64)]) -> (Limit, Box<Execution>) {
        self.ends(&limited(self.request(text), limits))
    }

    /// As [`meets`](Self::meets), for a request that has its limits.
    pub(crate) fn ends(&self, request: &ExecuteRequest) -> (Limit, Box<Execution>) {
        match run(&self.router, request) {
            Err(RouteError::ResourceLimit { limit, execution }) => (limit, execution),
            Err(RouteError::Timeout { execution, .. }) => (Limit::WallMs, execution),
            other => panic!("{other:?}"),
        }
    }

    /// The words of what was seen to keep a run apart.
    pub(crate) fn seen(execution: &Execution) -> Vec<&str> {
        let seen = execution.isolation.seen.as_slice();
        seen.iter().map(|label| label.as_str()).collect()
    }
}

/// Code and input arrive, and `all` is seen of its isolation. A run that was over before all of it was looked at is given more
/// time.
pub(crate) fn arrives_and_is_seen(target: &Target, all: &[&str]) -> Execution {
    let mut shown = Vec::new();
    for pause in PAUSES {
        let text = format!(
            r#"sleep {pause}
            printf '{{"ok":["%s","%s","%s"]}}\n' "$(tr -d '"')" "$(id -u)" "$(pwd)" >&3"#
        );
        let execution = run(&target.router, &target.request(&text)).expect("a result");
        assert_eq!(
            execution.value(),
            Some(&br#"["{a:1}","65534","/code"]"#[..])
        );
        let seen = Target::seen(&execution);
        if seen.len() >= all.len() {
            assert_eq!(seen, all);
            return execution;
        }
        shown.push(seen.join(" "));
    }
    panic!("not all of its isolation was ever seen: {shown:?}");
}

/// Of a file of the host's, the host's own places and the code, nothing is read that is not for it, and nothing written.
pub(crate) fn reads_and_writes_nothing_of_the_host(target: &Target) {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), "the host's").expect("a file");
    let path = secret.path().display();
    let text = format!(
        r#"n=
        cat {path} && n="$n file"
        cat /proc/1/root{path} && n="$n root"
        ls /etc/shadow /sys/kernel /root && n="$n etc"
        ls /proc/1/root/etc/shadow && n="$n root_etc"
        echo x > /bin/new && n="$n bin"
        echo x > /new && n="$n top"
        echo x > /code/new && n="$n code"
        echo x >> /code/main.sh && n="$n own_code"
        echo x > /dev/new && n="$n dev"
        echo x > /proc/sys/kernel/hostname && n="$n sys"
        echo b > /proc/sysrq-trigger && n="$n sysrq"
        mknod /tmp/disk b 8 0; head -c 1 /tmp/disk && n="$n device"
        echo "{{\"ok\":\"$n\"}}" >&3"#
    );
    assert_eq!(target.value(&text), "\"\"");
}

/// A listener on the host's loopback hears nothing.
pub(crate) fn reaches_no_loopback(target: &Target) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    listener.set_nonblocking(true).expect("it is ours");
    let text = format!(
        "port={port}; r=0; {}; echo \"{{\\\"ok\\\":$r}}\" >&3",
        target.connects
    );
    assert_eq!(target.value(&text), "0");
    if let Ok((mut stream, _)) = listener.accept() {
        let mut told = String::new();
        let _ = stream.read_to_string(&mut told);
        panic!("it came through: {told}");
    }
}

pub(crate) fn fills_the_memory(target: &Target) {
    let text = r#"x=xxxxxxxxxxxxxxxx; while :; do x="$x$x"; done"#;
    let (limit, execution) = target.meets(text, &[(Limit::MemoryBytes, target.memory_bytes)]);
    assert_eq!(limit, Limit::MemoryBytes);
    let held = execution.limits.get(limit);
    // The kernel lets a process that it ends go over by some pages.
    let allowed = target.memory_bytes.unsigned_abs() + (1 << 20);
    assert!(
        held.enforced && held.observed.is_some_and(|peak| peak <= allowed),
        "{held:?}"
    );
}

/// `word` is a number that no other test has. A bomb that was over before it went off shows nothing, and is given more time.
pub(crate) fn bombs_with_forks(target: &Target, word: &str) {
    let bomb = argued(target.request(BOMB), word);
    let went_off = WALLS_MS.into_iter().any(|wall_ms| {
        let request = limited(bomb.clone(), &[(Limit::Pids, 16), (Limit::WallMs, wall_ms)]);
        let ((limit, execution), found) = watched(&[word], || target.ends(&request));
        // In more time it may use up what it has of the processor.
        let met = [Limit::CpuMs, Limit::Pids, Limit::WallMs];
        assert!(met.contains(&limit), "{limit:?}");
        assert!(found.is_gone());
        let went_off = bombed(&execution) && found.is_whole();
        if went_off {
            holds_processes(&execution, 16);
        }
        went_off
    });
    assert!(went_off, "it never went off");
}

/// The bound on processes was in force, and never more of them were there.
pub(crate) fn holds_processes(execution: &Execution, processes_max: u64) {
    let held = execution.limits.get(Limit::Pids);
    let within = held.observed.is_some_and(|peak| peak <= processes_max);
    assert!(held.enforced && within, "{held:?}");
}

pub(crate) fn burns_the_processor(target: &Target) {
    let limits = [(Limit::CpuMs, target.cpu_ms), (Limit::WallMs, 120_000)];
    let (limit, execution) = target.meets("while :; do :; done", &limits);
    assert_eq!(limit, Limit::CpuMs);
    let held = execution.limits.get(limit);
    assert!(
        held.enforced
            && held
                .observed
                .is_some_and(|used| used >= target.cpu_ms.unsigned_abs())
    );
}

pub(crate) fn fills_the_disk(target: &Target) {
    let text = r#"dd if=/dev/zero of=/tmp/full bs=4096 count=1000 2>/dev/null && r=1 || r=0
        echo "{\"ok\":[$r,$(stat -c %s /tmp/full)]}" >&3"#;
    let request = limited(target.request(text), &[(Limit::DiskBytes, 1 << 20)]);
    let full = format!("[0,{}]", 1 << 20);
    assert_eq!(value(&target.router, &request), full);
}

/// The clock ends also what does not want to end, in groups and sessions of its own. `words` are numbers of seconds. A run that
/// was over before all of its program began, on a machine that has much to do, shows nothing and is given more time.
pub(crate) fn ignores_the_clock(target: &Target, words: [&str; 3]) {
    let [one, two, three] = words;
    let text = format!(
        "trap '' TERM INT HUP; sleep {one} & setsid sleep {two} & echo began; sleep {three}"
    );
    let request = marked(target.request(&text), &words);
    let began = [2_000, 8_000, 32_000].into_iter().any(|wall_ms| {
        let request = limited(request.clone(), &[(Limit::WallMs, wall_ms)]);
        let ((limit, execution), found) = watched(&words, || target.ends(&request));
        assert_eq!(limit, Limit::WallMs);
        assert!(found.is_gone());
        execution.stdout.bytes == b"began\n" && found.is_whole()
    });
    assert!(began, "it never began");
}

/// Of two that run at a time neither sees the other, ends it, or meets it in a place to write. `word` is a number that no other
/// test sleeps for.
pub(crate) fn sees_no_other_guest(target: &Target, word: &str) {
    let patient =
        format!(r#"echo mine > /tmp/mine; sleep {word} & sleep 4; echo '{{"ok":1}}' >&3"#);
    // In brackets, so that the command which looks for the word is not found by it.
    let (head, last) = word.split_at(word.len() - 1);
    let looking = format!(
        r#"n=
        grep -l '{head}[{last}]' /proc/[0-9]*/cmdline && n="$n seen"
        ls /tmp/mine && n="$n place"
        kill -9 -1
        i=2; while [ $i -lt 5000 ]; do [ $i = $$ ] || kill -9 $i; i=$((i+1)); done 2>/dev/null
        echo "{{\"ok\":\"$n\"}}" >&3"#
    );
    let patient = marked(target.request(&patient), &[word]);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| watched(&[word], || value(&target.router, &patient)));
        // Whether the first has begun by then makes no difference to what must come of it.
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        assert_eq!(target.value(&looking), "\"\"");
        let (value, found) = other.join().expect("it lived");
        assert_eq!(value, "1");
        assert!(found.is_whole() && found.is_gone());
    });
}

/// What it leaves was there, by its own word and by what this system has of it, and then is not.
pub(crate) fn leaves_something_behind(target: &Target, word: &str) {
    let left = PAUSES.into_iter().any(|pause| {
        let text = format!(
            r#"setsid sleep {word} <&- >&- 2>&- 3>&- & sleep {pause}
            grep -q {word} /proc/$!/cmdline && r=1 || r=0; echo "{{\"ok\":$r}}" >&3"#
        );
        let request = marked(target.request(&text), &[word]);
        let (value, found) = watched(&[word], || value(&target.router, &request));
        assert!(found.is_gone());
        value == "1" && found.is_whole()
    });
    assert!(left, "nothing was ever left");
}

pub(crate) fn forges_a_result_on_standard_output(target: &Target) {
    let forged = run(&target.router, &target.request(r#"echo '{"ok":1}'"#));
    assert!(matches!(forged, Err(RouteError::Failed { code, .. }) if code.as_str() == "no_result"));
}

/// A call that has no use but to get out ends the process.
pub(crate) fn makes_a_forbidden_call(target: &Target, text: &str) {
    let came = run(&target.router, &target.request(text));
    assert!(
        matches!(came, Err(RouteError::SandboxViolation { .. })),
        "{text}: {came:?}"
    );
}
