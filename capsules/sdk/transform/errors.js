// Compile errors of the SDK. In: a place in the author's source and words. Out: a diagnostic that asc prints with the
// line and a caret, and counts as an error.

import { DiagnosticCategory, DiagnosticCode, DiagnosticMessage } from "assemblyscript";

export class Errors {
  /** @param {any} parser */
  constructor(parser) {
    this.parser = parser;
    this.count = 0;
  }

  /**
   * @param {any} node what is wrong
   * @param {string} words what is wrong with it, and what to do
   */
  at(node, words) {
    this.count++;
    const message = DiagnosticMessage.create(DiagnosticCode.User_defined_0, DiagnosticCategory.Error, words);
    message.message = words;
    this.parser.diagnostics.push(node ? message.withRange(node.range) : message);
  }
}
