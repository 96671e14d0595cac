//! Host functions for the interpreter.
//!
//! Enters: a linker. Leaves: the same with every host function. Refuses: nothing; what a call is refused for stands in
//! `host/call.rs`.

use wasmi::{Caller, Error, Linker, Val};

use super::run::State;
use crate::capability::HostFunction;
use crate::execution::host::{self, Call, Exit, host_functions};

macro_rules! linked {
    ($($name:ident = $file:ident::$body:ident($($arg:ident: $type:ty),*);)*) => {
        /// Puts every host function into the linker.
        pub(super) fn link(linker: &mut Linker<State>) -> Result<(), Error> {
            $(
                let import = HostFunction::$name.import();
                linker.func_wrap(
                    import.module,
                    import.name,
                    |caller: Caller<'_, State>, $($arg: $type),*| {
                        enter(caller, HostFunction::$name, |call| {
                            host::$file::$body(call, $($arg),*)
                        })
                        .map_err(Error::host)
                    },
                )?;
            )*
            Ok(())
        }
    };
}

host_functions!(linked);

impl wasmi::errors::HostError for Exit {}

/// Gets memory and fuel for a call, and writes the fuel back, however the call ended.
fn enter<R>(
    mut caller: Caller<'_, State>,
    function: HostFunction,
    work: impl FnOnce(&mut Call<'_>) -> Result<R, Exit>,
) -> Result<R, Exit> {
    let parts = caller.data().parts.ok_or(Exit::HostFailure)?;
    let before = parts.fuel.get(&caller).i64().ok_or(Exit::HostFailure)?;
    let (memory, state) = parts.memory.data_and_store_mut(&mut caller);
    let mut call = Call::new(&mut state.host, memory, before, function);
    let answer = call.enter(work);
    let left = call.fuel_left();
    if left != before {
        let set = parts.fuel.set(&mut caller, Val::I64(left));
        set.map_err(|_| Exit::HostFailure)?;
    }
    answer
}
