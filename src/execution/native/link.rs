//! Host functions for wasmtime.
//!
//! Enters: a linker. Leaves: the same with every host function. Refuses: nothing; what a call is refused for stands in
//! `host/call.rs`.

use wasmtime::{Caller, Linker};

use super::State;
use crate::capability::HostFunction;
use crate::execution::host::{self, Answer, Arguments, Call, Exit, host_functions};
use crate::observation::TRACE;

macro_rules! linked {
    ($($name:ident = $file:ident::$body:ident($($arg:ident: $type:ty),*);)*) => {
        /// Puts every host function into the linker.
        pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
            $(
                let import = HostFunction::$name.import();
                linker.func_wrap(
                    import.module,
                    import.name,
                    |caller: Caller<'_, State>, $($arg: $type),*| {
                        let arguments = || vec![$((stringify!($arg), f64::from($arg))),*];
                        enter(caller, HostFunction::$name, arguments, |call| {
                            host::$file::$body(call, $($arg),*)
                        })
                    },
                )?;
            )*
            Ok(())
        }
    };
}

host_functions!(linked);

/// Puts in what a module that is built for debugging calls besides. It costs nothing, and gives nothing back.
pub(super) fn link_trace(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let (module, name) = TRACE;
    let said = |mut caller: Caller<'_, State>,
                message: u32,
                count: u32,
                a: f64,
                b: f64,
                c: f64,
                d: f64,
                e: f64|
     -> wasmtime::Result<()> {
        let memory = caller.data().memory.ok_or(Exit::HostFailure)?;
        let (memory, state) = memory.data_and_store_mut(&mut caller);
        if let Some(recorder) = &mut state.host.recorder {
            recorder.traced(|| {
                let message = host::io::managed_string(memory, message);
                let numbers = [a, b, c, d, e].into_iter().take(count as usize);
                let words = numbers.map(|number| number.to_string());
                [message]
                    .into_iter()
                    .chain(words)
                    .collect::<Vec<_>>()
                    .join(" ")
            });
        }
        Ok(())
    };
    linker.func_wrap(module, name, said)?;
    Ok(())
}

/// Gets memory and fuel for a call, and writes the fuel back, however the call ended. The arguments are for whoever looks on.
fn enter<R: Answer>(
    mut caller: Caller<'_, State>,
    function: HostFunction,
    arguments: impl FnOnce() -> Arguments,
    work: impl FnOnce(&mut Call<'_>) -> Result<R, Exit>,
) -> wasmtime::Result<R> {
    let State { memory, fuel, .. } = *caller.data();
    let memory = memory.ok_or(Exit::HostFailure)?;
    let before = fuel.left(&mut caller)?;
    let (memory, state) = memory.data_and_store_mut(&mut caller);
    let mut call = Call::new(&mut state.host, memory, before, function);
    let answer = call.enter(work);
    let left = call.fuel_left();
    call.record(before, arguments, &answer);
    if left != before {
        // What was paid was there.
        fuel.set(&mut caller, left.unsigned_abs())?;
    }
    answer.map_err(wasmtime::Error::from)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::Fuel;
    use super::*;
    use crate::execution::host::Host;
    use crate::json::path::Meter as _;
    use crate::limits::Limits;
    use crate::outcome::Request;
    use crate::validation::TextEncoding;
    use wasmtime::{Config, Engine, Module, Store};

    const FUEL: i64 = 1_000;

    /// Calls a host function of this body from a module that does nothing else, with the fuel in the engine's counter
    /// or in a global. Gives the answer and the fuel that is left.
    fn called(
        in_global: bool,
        body: fn(&mut Call<'_>) -> Result<i32, Exit>,
    ) -> (Result<i32, Option<Exit>>, i64) {
        let engine = Engine::new(Config::new().consume_fuel(!in_global)).expect("an engine");
        let bytes = wat::parse_str(
            r#"(module (import "tenzik_v1" "input_len" (func $f (result i32)))
              (memory (export "memory") 1)
              (global (export "fuel") (mut i64) (i64.const 0))
              (func (export "run") (result i32) (call $f)))"#,
        );
        let module = Module::new(&engine, bytes.expect("well formed")).expect("it compiles");
        let mut linker = Linker::new(&engine);
        linker
            .func_wrap(
                "tenzik_v1",
                "input_len",
                move |caller: Caller<'_, State>| {
                    enter(caller, HostFunction::InputLen, Vec::new, body)
                },
            )
            .expect("a new name");
        let request = Request::bytes(&b""[..]);
        let (limits, now) = (Limits::DEFAULT, Instant::now());
        let host = Host::new(&request, None, TextEncoding::Utf8, limits, now);
        let mut store = Store::new(&engine, State::new(host));
        if !in_global {
            store.set_fuel(u64::MAX).expect("fuel is on");
        }
        let instance = linker.instantiate(&mut store, &module).expect("it starts");
        store.data_mut().memory = instance.get_memory(&mut store, "memory");
        let fuel = match instance.get_global(&mut store, "fuel") {
            Some(global) if in_global => Fuel::Global(global),
            _ => Fuel::Engine,
        };
        store.data_mut().fuel = fuel;
        fuel.set(&mut store, FUEL.unsigned_abs())
            .expect("a counter");
        let run = instance.get_typed_func::<(), i32>(&mut store, "run");
        let ended = run.expect("it is exported").call(&mut store, ());
        let ended = ended.map_err(|error| error.downcast_ref::<Exit>().cloned());
        (ended, fuel.left(&mut store).expect("a counter"))
    }

    #[test]
    fn a_call_pays_from_where_the_fuel_is_and_also_where_it_ends_the_run() {
        for in_global in [false, true] {
            let spent = |body| {
                let (ended, left) = called(in_global, body);
                (ended, FUEL - left)
            };
            let (ended, empty) = spent(|_| Ok(7));
            assert_eq!(ended, Ok(7));
            let failed = spent(|call| {
                call.charge(100)?;
                Err(Exit::Fail("no".to_owned()))
            });
            assert_eq!(
                failed,
                (Err(Some(Exit::Fail("no".to_owned()))), empty + 100)
            );
            let paid = spent(|call| {
                let left = call.fuel_left();
                call.charge(left.unsigned_abs()).map(|()| 1)
            });
            assert_eq!(paid, (Ok(1), FUEL), "the last of it can be spent");
            let (ended, _) = spent(|call| {
                let left = call.fuel_left();
                call.charge(left.unsigned_abs() + 1).map(|()| 1)
            });
            assert_eq!(ended, Err(Some(Exit::OutOfFuel)));
        }
    }
}
