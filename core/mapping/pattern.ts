/**
 * Regular expressions of the configuration. They are run in lockstep over all possibilities (Thompson), never
 * by backtracking, so the time is bounded by program × text and no pattern can hang the process.
 */
import { type PatternNode, parsePattern } from './pattern-syntax.ts';
import { InvalidRule, UnfitValue } from './rule-failure.ts';

type Instruction =
  | { readonly kind: 'character'; readonly accepts: (codePoint: number) => boolean }
  | { readonly kind: 'start' }
  | { readonly kind: 'end' }
  | { readonly kind: 'match' }
  /** Goes on at each of these addresses. */
  | { readonly kind: 'fork'; readonly to: readonly number[] };

const programLengthMax = 2_000;
export const matchedTextLengthMax = 10_000;

/** Whether the pattern is found anywhere in the text. */
export function compilePattern(pattern: string): (text: string) => boolean {
  const program: Instruction[] = [];
  emit(parsePattern(pattern), program, pattern);
  program.push({ kind: 'match' });
  return (text) => {
    if (text.length > matchedTextLengthMax)
      throw new UnfitValue(`text longer than ${matchedTextLengthMax} characters is not matched`);
    return search(program, text);
  };
}

function emit(node: PatternNode, program: Instruction[], pattern: string): void {
  if (program.length > programLengthMax)
    throw new InvalidRule(`the pattern "${pattern}" is too large when its repetitions are written out`);
  switch (node.kind) {
    case 'character':
    case 'start':
    case 'end':
      program.push(node);
      return;
    case 'sequence':
      for (const item of node.items) emit(item, program, pattern);
      return;
    case 'choice':
      emitChoice(node.options, program, pattern);
      return;
    case 'repeat':
      emitRepeat(node, program, pattern);
  }
}

function emitChoice(options: readonly PatternNode[], program: Instruction[], pattern: string): void {
  const starts: number[] = [];
  const ends: number[] = [];
  const fork = program.push({ kind: 'fork', to: [] }) - 1;
  for (const option of options) {
    starts.push(program.length);
    emit(option, program, pattern);
    ends.push(program.push({ kind: 'fork', to: [] }) - 1);
  }
  program[fork] = { kind: 'fork', to: starts };
  for (const end of ends) program[end] = { kind: 'fork', to: [program.length] };
}

function emitRepeat(node: PatternNode & { kind: 'repeat' }, program: Instruction[], pattern: string): void {
  for (let i = 0; i < node.min; i++) emit(node.item, program, pattern);
  if (node.max === Infinity) {
    const fork = program.push({ kind: 'fork', to: [] }) - 1;
    emit(node.item, program, pattern);
    program.push({ kind: 'fork', to: [fork] });
    program[fork] = { kind: 'fork', to: [fork + 1, program.length] };
    return;
  }
  const forks: number[] = [];
  for (let i = node.min; i < node.max; i++) {
    forks.push(program.push({ kind: 'fork', to: [] }) - 1);
    emit(node.item, program, pattern);
  }
  for (const fork of forks) program[fork] = { kind: 'fork', to: [fork + 1, program.length] };
}

function search(program: readonly Instruction[], text: string): boolean {
  /** The last step at which an address was reached, so that none is followed twice in one step. */
  const reachedAt = new Int32Array(program.length).fill(-1);
  let waiting: number[] = [];
  let step = 0;
  let index = 0;

  /** Follows forks and anchors from an address to the characters it waits for; true at the match. */
  function reach(address: number, next: number[]): boolean {
    const open = [address];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (reachedAt[at] === step) continue;
      reachedAt[at] = step;
      const instruction = program[at]!;
      if (instruction.kind === 'match') return true;
      if (instruction.kind === 'character') next.push(at);
      else if (instruction.kind === 'fork') open.push(...instruction.to);
      else if (instruction.kind === 'start' ? index === 0 : index === text.length) open.push(at + 1);
    }
    return false;
  }

  if (reach(0, waiting)) return true;
  while (index < text.length) {
    const codePoint = text.codePointAt(index)!;
    index += codePoint > 0xffff ? 2 : 1;
    step++;
    const next: number[] = [];
    for (const at of waiting) {
      const instruction = program[at]!;
      if (instruction.kind === 'character' && instruction.accepts(codePoint) && reach(at + 1, next)) return true;
    }
    if (reach(0, next)) return true;
    waiting = next;
  }
  return false;
}
