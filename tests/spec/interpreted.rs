//! wasmi: another engine, which shares no code with wasmtime that matters to results.

use std::collections::HashMap;
use std::sync::LazyLock;

use wasmi::errors::{ErrorKind, InstantiationError, TableError};
use wasmi::{
    Config, Engine, Error, Extern, Func, FuncType, Global, Instance, Linker, Memory, MemoryType,
    Module, Mutability, Ref, Store, Table, TableType, TrapCode, Val, ValType,
};

use crate::engine::{
    self, Failure, SPECTEST_DOUBLE, SPECTEST_FLOAT, SPECTEST_FUNCTIONS, SPECTEST_NUMBER, Trap,
    Value,
};

pub(crate) struct Interpreted {
    store: Store<()>,
    registered: HashMap<(String, String), Extern>,
}

/// Its own limits are beyond those of the metering.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::default();
    config
        .set_max_recursion_depth(100_000)
        .set_max_stack_height(64 * 1024 * 1024);
    Engine::new(&config)
});

impl engine::Engine for Interpreted {
    type Instance = Instance;

    fn new() -> Self {
        let mut interpreted = Self {
            store: Store::new(&ENGINE, ()),
            registered: HashMap::new(),
        };
        interpreted.spectest();
        interpreted
    }

    fn instantiate(&mut self, module: &[u8]) -> Result<Instance, Failure> {
        let module = Module::new(&ENGINE, module).map_err(|error| failure(&error))?;
        let mut linker = Linker::new(&ENGINE);
        linker.allow_shadowing(true);
        for import in module.imports() {
            let key = (import.module().to_owned(), import.name().to_owned());
            if let Some(item) = self.registered.get(&key) {
                linker
                    .define(&key.0, &key.1, *item)
                    .expect("shadowing is allowed");
            }
        }
        linker
            .instantiate_and_start(&mut self.store, &module)
            .map_err(|error| failure(&error))
    }

    fn register(&mut self, name: &str, instance: Instance) {
        for export in instance.exports(&self.store) {
            let key = (name.to_owned(), export.name().to_owned());
            self.registered.insert(key, export.into_extern());
        }
    }

    fn call(
        &mut self,
        instance: Instance,
        function: &str,
        arguments: &[Value],
    ) -> Result<Vec<Value>, Failure> {
        let function = instance
            .get_func(&self.store, function)
            .ok_or_else(|| Failure::Refused(format!("no function {function}")))?;
        let arguments: Vec<_> = arguments.iter().copied().map(Val::from).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        function
            .call(&mut self.store, &arguments, &mut results)
            .map_err(|error| failure(&error))?;
        Ok(results.into_iter().map(Value::from).collect())
    }

    fn global(&mut self, instance: Instance, name: &str) -> Option<Value> {
        let global = instance.get_global(&self.store, name)?;
        Some(global.get(&self.store).into())
    }

    fn set_global(&mut self, instance: Instance, name: &str, value: Value) {
        if let Some(global) = instance.get_global(&self.store, name) {
            global
                .set(&mut self.store, value.into())
                .expect("a mutable global of that type");
        }
    }

    fn pages(&mut self, instance: Instance) -> Vec<(String, u64)> {
        let memories = instance.exports(&self.store).filter_map(|export| {
            let name = export.name().to_owned();
            Some((name, export.into_memory()?.size(&self.store)))
        });
        memories.collect()
    }

    fn pages_max(&mut self, module: &str, name: &str) -> Option<u64> {
        let item = self.registered.get(&(module.to_owned(), name.to_owned()))?;
        item.into_memory()?.ty(&self.store).maximum()
    }
}

impl Interpreted {
    fn spectest(&mut self) {
        let store = &mut self.store;
        let mut items: Vec<(&str, Extern)> = Vec::new();
        for (name, value) in [
            ("global_i32", Val::I32(SPECTEST_NUMBER)),
            ("global_i64", Val::I64(SPECTEST_NUMBER.into())),
            ("global_f32", Val::F32(SPECTEST_FLOAT.into())),
            ("global_f64", Val::F64(SPECTEST_DOUBLE.into())),
        ] {
            let global = Global::new(&mut *store, value, Mutability::Const);
            items.push((name, global.into()));
        }
        let table = TableType::new(ValType::FuncRef, 10, Some(20));
        let null = Val::FuncRef(Ref::Null);
        let table = Table::new(&mut *store, table, null).expect("a table");
        let memory = Memory::new(&mut *store, MemoryType::new(1, Some(2))).expect("a memory");
        items.extend([("table", table.into()), ("memory", memory.into())]);
        for (name, params) in SPECTEST_FUNCTIONS {
            let params: Vec<_> = params.chars().map(value_type).collect();
            let ty = FuncType::new(params, []);
            let function = Func::new(&mut *store, ty, |_, _, _| Ok(()));
            items.push((name, function.into()));
        }
        for (name, item) in items {
            let key = ("spectest".to_owned(), name.to_owned());
            self.registered.insert(key, item);
        }
    }
}

fn value_type(letter: char) -> ValType {
    match letter {
        'i' => ValType::I32,
        'l' => ValType::I64,
        'f' => ValType::F32,
        _ => ValType::F64,
    }
}

fn failure(error: &Error) -> Failure {
    if let ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. }) =
        error.kind()
    {
        return Failure::Trap(Trap::Table);
    }
    if let ErrorKind::Table(TableError::CopyOutOfBounds) = error.kind() {
        return Failure::Trap(Trap::Table);
    }
    let Some(code) = error.as_trap_code() else {
        return Failure::Refused(error.to_string());
    };
    Failure::Trap(match code {
        TrapCode::UnreachableCodeReached => Trap::Unreachable,
        TrapCode::MemoryOutOfBounds => Trap::Memory,
        TrapCode::TableOutOfBounds => Trap::Table,
        TrapCode::IndirectCallToNull => Trap::Null,
        TrapCode::BadSignature => Trap::Signature,
        TrapCode::IntegerDivisionByZero => Trap::DivideByZero,
        TrapCode::IntegerOverflow => Trap::Overflow,
        TrapCode::BadConversionToInteger => Trap::Conversion,
        TrapCode::StackOverflow => Trap::NativeStack,
        _ => Trap::Other,
    })
}

impl From<Value> for Val {
    fn from(value: Value) -> Self {
        match value {
            Value::I32(value) => Self::I32(value),
            Value::I64(value) => Self::I64(value),
            Value::F32(bits) => Self::F32(wasmi::F32::from_bits(bits)),
            Value::F64(bits) => Self::F64(wasmi::F64::from_bits(bits)),
        }
    }
}

impl From<Val> for Value {
    fn from(value: Val) -> Self {
        match value {
            Val::I32(value) => Self::I32(value),
            Val::I64(value) => Self::I64(value),
            Val::F32(value) => Self::F32(value.to_bits()),
            Val::F64(value) => Self::F64(value.to_bits()),
            other => unreachable!("{other:?} is of no type that the features leave"),
        }
    }
}
