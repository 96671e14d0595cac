// What the transform knows of a capsule, as constants that the compiler folds. The transform parses a file of its own
// under this path; what stands here is for the editor, and right for any capsule.

/** How much of a path there can be: nothing, one member's name, or any number of steps. */
export const enum Depth { Root, Members, Any }

// @ts-ignore: decorator
@inline export const DEPTH: Depth = Depth.Any;

/** Whether a path may be long and may need escapes: names come from the input (maps), or have `~` or `/`. */
// @ts-ignore: decorator
@inline export const FOREIGN_NAMES: bool = true;

/** The longest name that the program has for a member, where paths are of that sort. */
// @ts-ignore: decorator
@inline export const NAME_UNITS_MAX: usize = 0;

/** Room for the longest message, where names do not come from the input. */
export const MESSAGE = memory.data(16);
