//! What the tests need of an engine, and no more: two of them answer to it.

/// A value as its bits, so that NaNs can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
}

/// Why a call or an instantiation ended otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Trap(Trap),
    /// The engine does not take the module, or not with these imports.
    Refused(String),
}

/// The engines' traps, by what the specification calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trap {
    Unreachable,
    Memory,
    Table,
    Null,
    Signature,
    DivideByZero,
    Overflow,
    Conversion,
    /// The engine's own stack ended.
    NativeStack,
    Other,
}

/// An engine with one store, in which the specification's module `spectest` and all registered instances live.
pub(crate) trait Engine {
    type Instance: Copy;

    fn new() -> Self;

    /// Makes an instance, with the imports that are registered.
    fn instantiate(&mut self, module: &[u8]) -> Result<Self::Instance, Failure>;

    /// Lets later modules import from the instance.
    fn register(&mut self, name: &str, instance: Self::Instance);

    fn call(
        &mut self,
        instance: Self::Instance,
        function: &str,
        arguments: &[Value],
    ) -> Result<Vec<Value>, Failure>;

    fn global(&mut self, instance: Self::Instance, name: &str) -> Option<Value>;

    /// Sets a global that is there.
    fn set_global(&mut self, instance: Self::Instance, name: &str, value: Value);

    /// The pages of each memory that the instance exports, by name.
    fn pages(&mut self, instance: Self::Instance) -> Vec<(String, u64)>;

    /// The most pages of a memory that is registered, if it has a maximum.
    fn pages_max(&mut self, module: &str, name: &str) -> Option<u64>;
}

/// The number in a function of `spectest`'s name that stands for nothing but itself.
pub(crate) const SPECTEST_NUMBER: i32 = 666;
pub(crate) const SPECTEST_FLOAT: f32 = 666.6;
pub(crate) const SPECTEST_DOUBLE: f64 = 666.6;

/// The functions of `spectest`, with the letters of their parameters' types. They do nothing.
pub(crate) const SPECTEST_FUNCTIONS: [(&str, &str); 7] = [
    ("print", ""),
    ("print_i32", "i"),
    ("print_i64", "l"),
    ("print_f32", "f"),
    ("print_f64", "d"),
    ("print_i32_f32", "if"),
    ("print_f64_f64", "dd"),
];
