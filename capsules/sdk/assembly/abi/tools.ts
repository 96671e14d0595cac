// Capability `tools`: reserved. A run that is granted it is refused where no gateway is attached.

// @ts-ignore: decorator
@external("tenzik_v1", "tool_call")
export declare function tool_call(id: usize, idLen: i32, args: usize, argsLen: i32): i32;
