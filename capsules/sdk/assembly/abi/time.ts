// Capability `time`: the virtual clock of the request. It stands still during a run.

// @ts-ignore: decorator
@external("tenzik_v1", "time_now_ms")
export declare function time_now_ms(): i64;
