// A second entry file, listed in `asconfig.base.json`. What it exports becomes an export of the
// capsule, so every capsule says that its text is UTF-16, which is what AssemblyScript strings are.

export const capsule_text: i32 = 16;
