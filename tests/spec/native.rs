//! wasmtime, with the settings that matter to results.

use std::collections::HashMap;
use std::sync::LazyLock;

use wasmtime::{
    Config, Engine, Extern, Func, FuncType, Global, GlobalType, Instance, Linker, Memory,
    MemoryType, Module, Mutability, OptLevel, Ref, RefType, Store, Table, TableType, Trap as Code,
    Val, ValType,
};

use crate::engine::{
    self, Failure, SPECTEST_DOUBLE, SPECTEST_FLOAT, SPECTEST_FUNCTIONS, SPECTEST_NUMBER, Trap,
    Value,
};

/// The engine as metered modules have it. `CANONICAL` makes NaNs canonical as they should be, in a module that does not.
pub(crate) struct Native<const CANONICAL: bool> {
    store: Store<()>,
    registered: HashMap<(String, String), Extern>,
}

static PLAIN: LazyLock<Engine> = LazyLock::new(|| engine(false));
static CANONICAL_NANS: LazyLock<Engine> = LazyLock::new(|| engine(true));

fn engine(canonical: bool) -> Engine {
    let mut config = Config::new();
    config
        .cranelift_nan_canonicalization(canonical)
        .cranelift_opt_level(if canonical {
            OptLevel::None
        } else {
            OptLevel::Speed
        })
        .wasm_backtrace_max_frames(None)
        .max_wasm_stack(1024 * 1024);
    Engine::new(&config).expect("an engine")
}

impl<const CANONICAL: bool> engine::Engine for Native<CANONICAL> {
    type Instance = Instance;

    fn new() -> Self {
        let engine: &Engine = if CANONICAL { &CANONICAL_NANS } else { &PLAIN };
        let mut native = Self {
            store: Store::new(engine, ()),
            registered: HashMap::new(),
        };
        native.spectest();
        native
    }

    fn instantiate(&mut self, module: &[u8]) -> Result<Instance, Failure> {
        let refused = |error: wasmtime::Error| Failure::Refused(format!("{error:#}"));
        let module = Module::new(self.store.engine(), module).map_err(refused)?;
        let mut linker = Linker::new(self.store.engine());
        linker.allow_shadowing(true);
        for import in module.imports() {
            let key = (import.module().to_owned(), import.name().to_owned());
            if let Some(item) = self.registered.get(&key) {
                linker
                    .define(&self.store, &key.0, &key.1, item.clone())
                    .map_err(refused)?;
            }
        }
        linker
            .instantiate(&mut self.store, &module)
            .map_err(|error| failure(&error))
    }

    fn register(&mut self, name: &str, instance: Instance) {
        let exports: Vec<_> = instance
            .exports(&mut self.store)
            .map(|export| (export.name().to_owned(), export.into_extern()))
            .collect();
        for (export, item) in exports {
            self.registered.insert((name.to_owned(), export), item);
        }
    }

    fn call(
        &mut self,
        instance: Instance,
        function: &str,
        arguments: &[Value],
    ) -> Result<Vec<Value>, Failure> {
        let function = instance
            .get_func(&mut self.store, function)
            .ok_or_else(|| Failure::Refused(format!("no function {function}")))?;
        let arguments: Vec<_> = arguments.iter().copied().map(Val::from).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        function
            .call(&mut self.store, &arguments, &mut results)
            .map_err(|error| failure(&error))?;
        Ok(results.into_iter().map(Value::from).collect())
    }

    fn global(&mut self, instance: Instance, name: &str) -> Option<Value> {
        let global = instance.get_global(&mut self.store, name)?;
        Some(global.get(&mut self.store).into())
    }

    fn set_global(&mut self, instance: Instance, name: &str, value: Value) {
        if let Some(global) = instance.get_global(&mut self.store, name) {
            global
                .set(&mut self.store, value.into())
                .expect("a mutable global of that type");
        }
    }

    fn pages(&mut self, instance: Instance) -> Vec<(String, u64)> {
        let exports = instance.exports(&mut self.store);
        let memories: Vec<_> = exports
            .filter_map(|export| Some((export.name().to_owned(), export.into_memory()?)))
            .collect();
        let sizes = memories
            .into_iter()
            .map(|(name, memory)| (name, memory.size(&self.store)));
        sizes.collect()
    }

    fn pages_max(&mut self, module: &str, name: &str) -> Option<u64> {
        let item = self.registered.get(&(module.to_owned(), name.to_owned()))?;
        item.clone().into_memory()?.ty(&self.store).maximum()
    }
}

impl<const CANONICAL: bool> Native<CANONICAL> {
    fn spectest(&mut self) {
        let store = &mut self.store;
        let mut items: Vec<(&str, Extern)> = Vec::new();
        for (name, value) in [
            ("global_i32", Val::I32(SPECTEST_NUMBER)),
            ("global_i64", Val::I64(SPECTEST_NUMBER.into())),
            ("global_f32", Val::from(SPECTEST_FLOAT)),
            ("global_f64", Val::from(SPECTEST_DOUBLE)),
        ] {
            let ty = GlobalType::new(value.ty(&store).expect("a type"), Mutability::Const);
            let global = Global::new(&mut *store, ty, value).expect("a global");
            items.push((name, global.into()));
        }
        let table = TableType::new(RefType::FUNCREF, 10, Some(20));
        let table = Table::new(&mut *store, table, Ref::Func(None)).expect("a table");
        let memory = Memory::new(&mut *store, MemoryType::new(1, Some(2))).expect("a memory");
        items.extend([("table", table.into()), ("memory", memory.into())]);
        for (name, params) in SPECTEST_FUNCTIONS {
            let params = params.chars().map(value_type);
            let ty = FuncType::new(store.engine(), params, []);
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

fn failure(error: &wasmtime::Error) -> Failure {
    let Some(code) = error.downcast_ref::<Code>() else {
        return Failure::Refused(format!("{error:#}"));
    };
    Failure::Trap(match code {
        Code::UnreachableCodeReached => Trap::Unreachable,
        Code::MemoryOutOfBounds => Trap::Memory,
        Code::TableOutOfBounds => Trap::Table,
        Code::IndirectCallToNull => Trap::Null,
        Code::BadSignature => Trap::Signature,
        Code::IntegerDivisionByZero => Trap::DivideByZero,
        Code::IntegerOverflow => Trap::Overflow,
        Code::BadConversionToInteger => Trap::Conversion,
        Code::StackOverflow => Trap::NativeStack,
        _ => Trap::Other,
    })
}

impl From<Value> for Val {
    fn from(value: Value) -> Self {
        match value {
            Value::I32(value) => Self::I32(value),
            Value::I64(value) => Self::I64(value),
            Value::F32(bits) => Self::F32(bits),
            Value::F64(bits) => Self::F64(bits),
        }
    }
}

impl From<Val> for Value {
    fn from(value: Val) -> Self {
        match value {
            Val::I32(value) => Self::I32(value),
            Val::I64(value) => Self::I64(value),
            Val::F32(bits) => Self::F32(bits),
            Val::F64(bits) => Self::F64(bits),
            other => unreachable!("{other:?} is of no type that the features leave"),
        }
    }
}
