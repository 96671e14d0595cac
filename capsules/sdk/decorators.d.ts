// What the SDK adds to the language, for the editor: decorators that its transform reads, and a constant. Name this file in `include` of your tsconfig.json.

/** The member may be missing; it then keeps its initial value, which must be written out. */
declare function optional(target: any, member?: any): void;
/** The member's name in JSON. */
declare function name(json: string): (target: any, member?: any) => void;
/** Members that the class does not name are refused; the same of those that extend it. */
declare function strict(target: any): void;
/** The classes that extend this abstract class are told apart by the member of that name. */
declare function union(member: string): (target: any) => void;
/** What the union's member says for this class; without it, the class's name. */
declare function tag(value: string): (target: any) => void;
/** Whether this is a build with `--debug`. In every other build what stands behind it is left out. */
declare const TENZIK_DEBUG: boolean;
