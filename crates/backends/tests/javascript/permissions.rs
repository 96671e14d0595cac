//! What a function may do beside computing: tried, not read from flags.

use tenzik_backends::{JavaScriptConfig, Runtime};

use super::{module, on_each, router_of};
use crate::common::{run, value};

/// Tries all of it, and gives for each whether it was done.
pub(crate) const TRIES: &str = r#"
    const tried = async (attempt) => { try { await attempt(); return true; } catch (error) { return false; } };
    const reached = (error) => error?.code === "ECONNREFUSED" || /refused/i.test(String(error));
    export default async ({ read, write, run, port }) => {
        const fs = await import("node:fs");
        const net = await import("node:net");
        const child = await import("node:child_process");
        // Deno's own way: the one of Node's would want to read all variables, too.
        const start = () => globalThis.Deno ? new Deno.Command(run).outputSync() : child.spawnSync(run, []);
        const connect = () => new Promise((resolve, reject) => {
            const socket = net.connect(port, "127.0.0.1");
            socket.on("connect", () => { socket.destroy(); resolve(); });
            socket.on("error", reject);
        });
        return {
            net: await tried(connect),
            read: await tried(() => fs.readFileSync(read)),
            run: await tried(() => { const done = start(); if (done.error) throw done.error; }),
            write: await tried(() => fs.writeFileSync(write, "x")),
        };
    };
"#;

/// What could be done with a configuration, and what was said to be denied.
fn tried(config: JavaScriptConfig, directory: &std::path::Path) -> (String, Vec<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    std::fs::write(directory.join("secret"), "x").expect("a file");
    let mut request = module(TRIES);
    let input = serde_json::json!({
        "read": directory.join("secret"),
        "write": directory.join("written"),
        "run": "/bin/true",
        "port": listener.local_addr().expect("an address").port(),
    });
    request.input = input.to_string().into_bytes().into();
    let router = router_of(config);
    let value = value(&router, &request);
    let execution = run(&router, &request).expect("a result");
    let seen = execution.isolation.seen.as_slice().iter();
    let denied = seen.filter_map(|seen| seen.as_str().strip_prefix("runtime_denies_"));
    (value, denied.map(str::to_owned).collect())
}

on_each! {
    fn nothing_is_granted_by_default_where_a_runtime_can_deny(config: JavaScriptConfig) {
        let directory = tempfile::tempdir().expect("a directory");
        let runtime = config.runtime;
        let (value, denied) = tried(config, directory.path());
        let expected = match runtime {
            // It ignores permissions, and nothing is said to be denied.
            Runtime::Bun => (r#"{"net":true,"read":true,"run":true,"write":true}"#, vec![]),
            Runtime::Deno => (
                r#"{"net":false,"read":false,"run":false,"write":false}"#,
                vec!["env", "net", "read", "run", "write"],
            ),
            Runtime::Node => (
                r#"{"net":false,"read":false,"run":false,"write":false}"#,
                vec!["net", "read", "run", "write"],
            ),
        };
        assert_eq!((value.as_str(), denied), (expected.0, expected.1.into_iter().map(str::to_owned).collect()));
    }
}

/// Each grant by itself: it gives what it says and nothing else.
#[test]
fn each_grant_gives_itself_alone() {
    for runtime in [Runtime::Deno, Runtime::Node] {
        for kind in ["net", "read", "run", "write"] {
            let Some(mut config) = super::config(runtime) else {
                return;
            };
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().display();
            config.workers_max = 0;
            let scoped = matches!(kind, "read" | "write");
            let grant = if scoped {
                format!("{kind}={path}")
            } else {
                kind.to_owned()
            };
            config.permissions.grant(&grant).expect("a kind");
            let (value, denied) = tried(config, directory.path());
            for other in ["net", "read", "run", "write"] {
                let given = format!("\"{other}\":{}", other == kind);
                assert!(
                    value.contains(&given),
                    "{} with {grant}: {value}",
                    runtime.name()
                );
            }
            // Another path is still denied.
            assert_eq!(
                denied.contains(&kind.to_owned()),
                scoped,
                "{} with {grant}: {denied:?}",
                runtime.name()
            );
        }
    }
}

/// What stands beside what is granted stays denied: another file, a directory above it, another port.
#[test]
fn a_grant_gives_nothing_beside_itself() {
    for runtime in [Runtime::Deno, Runtime::Node] {
        let Some(mut config) = super::config(runtime) else {
            return;
        };
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["given", "given2", "given/in"] {
            let place = directory.path().join(name);
            if name == "given" {
                std::fs::create_dir(place).expect("a directory");
            } else {
                std::fs::write(place, "x").expect("a file");
            }
        }
        let listeners =
            [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
        let ports = listeners
            .each_ref()
            .map(|listener| listener.local_addr().expect("an address").port());
        let mut grants = vec![format!("read={}", directory.path().join("given").display())];
        if runtime == Runtime::Deno {
            grants.push(format!("net=127.0.0.1:{}", ports[0]));
        }
        for grant in grants {
            config.permissions.grant(&grant).expect("a kind");
        }
        let router = router_of(config);
        let tried = |file: &str, port: u16| {
            let mut request = module(TRIES);
            let input = serde_json::json!({
                "read": directory.path().join(file),
                "write": directory.path().join("given/out"),
                "run": "/bin/true",
                "port": port,
            });
            request.input = input.to_string().into_bytes().into();
            value(&router, &request)
        };
        let net = runtime == Runtime::Deno;
        let expected = |net: bool, read: bool| {
            format!(r#"{{"net":{net},"read":{read},"run":false,"write":false}}"#)
        };
        assert_eq!(
            tried("given/in", ports[0]),
            expected(net, true),
            "{}",
            runtime.name()
        );
        assert_eq!(
            tried("given2", ports[1]),
            expected(false, false),
            "{}",
            runtime.name()
        );
        assert_eq!(
            tried("given/../given2", ports[1]),
            expected(false, false),
            "{}",
            runtime.name()
        );
    }
}

/// The older Node denies no network, and that is what a run says of it.
#[test]
fn an_older_node_is_not_said_to_deny_the_network() {
    let mut config = JavaScriptConfig::new(Runtime::Node);
    config.executable = "/usr/bin/node".into();
    let router = router_of(config.clone());
    let standing = &router.backends()[0];
    if !format!("{:?}", standing.readiness).contains("node 20.") {
        eprintln!(
            "skipped: /usr/bin/node is no node 20: {:?}",
            standing.readiness
        );
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let (value, denied) = tried(config, directory.path());
    assert_eq!(
        value,
        r#"{"net":true,"read":false,"run":false,"write":false}"#
    );
    assert_eq!(denied, ["read", "run", "write"]);
}
