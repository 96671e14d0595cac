//! The files that `new` writes. `NAME` stands for the capsule's name, in JSON texts `"NAME"`, `"LANGUAGE"` and `"SDK"`.

use crate::capsule::Language;

/// A file's name and text.
type File = (&'static str, &'static str);

macro_rules! template {
    ($name:literal) => {
        include_str!(concat!("../../templates/", $name))
    };
}

macro_rules! capsules {
    ($name:literal) => {
        include_str!(concat!("../../../../capsules/", $name))
    };
}

/// What each folder has.
pub(super) const ANY: &[File] = &[
    ("capsule.json", template!("any/capsule.json")),
    ("example.json", template!("any/example.json")),
    ("expected.json", template!("any/expected.json")),
];

const ASSEMBLYSCRIPT: &[File] = &[
    ("index.ts", template!("assemblyscript/index.ts")),
    ("package.json", template!("assemblyscript/package.json")),
    ("tsconfig.json", template!("assemblyscript/tsconfig.json")),
];

const C: &[File] = &[
    ("NAME.c", template!("c/NAME.c")),
    ("tenzik.h", capsules!("sdk-c/tenzik.h")),
];

const RUST: &[File] = &[
    ("Cargo.toml", template!("rust/manifest.toml")),
    (".cargo/config.toml", template!("rust/config.toml")),
    ("src/lib.rs", template!("rust/src/lib.rs")),
    ("tenzik-sdk/Cargo.toml", capsules!("sdk-rust/Cargo.toml")),
    ("tenzik-sdk/src/lib.rs", capsules!("sdk-rust/src/lib.rs")),
];

const WAT: &[File] = &[("NAME.wat", template!("wat/NAME.wat"))];

const ZIG: &[File] = &[
    ("NAME.zig", template!("zig/NAME.zig")),
    ("tenzik.zig", capsules!("sdk-zig/tenzik.zig")),
];

/// The SDK for AssemblyScript, as its npm package has it.
pub(super) const SDK: &[File] = &include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// What a folder of that language has beside.
pub(super) const fn of(language: Language) -> &'static [File] {
    match language {
        Language::AssemblyScript => ASSEMBLYSCRIPT,
        Language::C => C,
        Language::Rust => RUST,
        Language::Wat => WAT,
        Language::Zig => ZIG,
    }
}

/// A language's name in `capsule.json`.
pub(super) const fn language(language: Language) -> &'static str {
    match language {
        Language::AssemblyScript => "assemblyscript",
        Language::C => "c",
        Language::Rust => "rust",
        Language::Wat => "wat",
        Language::Zig => "zig",
    }
}
