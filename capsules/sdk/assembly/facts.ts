// What the transform knows of a capsule, as constants that the compiler folds. The transform parses a file of its own
// under this path; what stands here is for the editor, and right for any capsule.

/** How much of a path there can be: nothing, one member's name, or any number of steps. */
export const enum Depth { Root, Members, Any }

// @ts-ignore: decorator
@inline export const DEPTH: Depth = Depth.Any;

/** Whether member names come from the input (maps), so that a path may be long and may need escapes. */
// @ts-ignore: decorator
@inline export const FOREIGN_NAMES: bool = true;

/** Room for the longest message, where names do not come from the input. */
export const MESSAGE = memory.data(16);
