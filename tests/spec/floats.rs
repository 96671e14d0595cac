//! The programs of `programs.rs`, run as they are on an engine that makes NaNs canonical, and metered on two that do not:
//! whatever they leave in memory and globals is the same.

use tenzik::metering::meter_module;

use crate::engine::{Engine, Value};
use crate::interpreted::Interpreted;
use crate::naive;
use crate::native::Native;
use crate::programs::{FUNCTIONS, Writer};

/// Programs of a test; `TENZIK_GENERATED` sets more.
const PROGRAMS: u64 = 60;

/// What each function gives, and what all leave.
fn trace<E: Engine>(module: &[u8]) -> Trace {
    let mut engine = E::new();
    let instance = engine.instantiate(module).expect("an instance");
    engine.set_global(instance, "tenzik:fuel", Value::I64(1 << 40));
    let nan = [Value::F32(0xffa1_2345), Value::F64(0xfff4_5678_9abc_def0)];
    let names = (0..FUNCTIONS).map(|function| (format!("f{function}"), &nan[..]));
    let mut results = Vec::new();
    for (name, arguments) in names.chain([("digest".to_owned(), &[][..])]) {
        let result = engine.call(instance, &name, arguments);
        results.extend(result.expect("nothing traps"));
    }
    let Some(Value::I64(fuel)) = engine.global(instance, "tenzik:fuel") else {
        panic!("no fuel");
    };
    Trace { results, fuel }
}

#[derive(Debug, PartialEq)]
struct Trace {
    results: Vec<Value>,
    fuel: i64,
}

#[test]
fn nans_are_canonical_wherever_they_can_be_seen() {
    let programs = std::env::var("TENZIK_GENERATED").map_or(PROGRAMS, |count| {
        count.parse().expect("a number of programs")
    });
    for seed in 0..programs {
        let text = Writer::program(seed);
        let module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let metered = meter_module(&module).expect("a valid module");
        let expected = trace::<Native<true>>(&naive::counting(&module));
        let native = trace::<Native<false>>(metered.bytes());
        assert_eq!(native.results, expected.results, "{seed}");
        assert!(native.fuel <= expected.fuel, "{seed}: not all is paid for");
        assert_eq!(trace::<Interpreted>(metered.bytes()), native, "{seed}");
    }
}
