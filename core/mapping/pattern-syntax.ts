import { InvalidRule } from './rule-failure.ts';

/** A regular expression as a tree. */
export type PatternNode =
  | { readonly kind: 'character'; readonly accepts: (codePoint: number) => boolean }
  | { readonly kind: 'start' }
  | { readonly kind: 'end' }
  | { readonly kind: 'sequence'; readonly items: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly options: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly item: PatternNode; readonly min: number; readonly max: number };

type Accepts = (codePoint: number) => boolean;

const repeatMax = 200;
const nestingMax = 20;

const digit: Accepts = (c) => c >= 48 && c <= 57;
const word: Accepts = (c) => digit(c) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 95;
const space: Accepts = (c) => /\s/.test(String.fromCodePoint(c));
const classes: Readonly<Record<string, Accepts>> = {
  d: digit,
  D: (c) => !digit(c),
  w: word,
  W: (c) => !word(c),
  s: space,
  S: (c) => !space(c),
};
const controls: Readonly<Record<string, number>> = { t: 9, n: 10, r: 13 };

/**
 * The part of the usual syntax that is the same in all languages and needs no backtracking: characters, `.`,
 * classes, groups, alternatives, `* + ? {n,m}`, `^` and `$`. No look-around, no back-references.
 */
export function parsePattern(pattern: string): PatternNode {
  const characters = [...pattern];
  let at = 0;

  function fail(reason: string): never {
    throw new InvalidRule(`the pattern "${pattern}" ${reason} (at character ${at + 1})`);
  }

  function choice(depth: number): PatternNode {
    if (depth > nestingMax) fail('is nested too deep');
    const options = [sequence(depth)];
    while (characters[at] === '|') {
      at++;
      options.push(sequence(depth));
    }
    return options.length === 1 ? options[0]! : { kind: 'choice', options };
  }

  function sequence(depth: number): PatternNode {
    const items: PatternNode[] = [];
    while (at < characters.length && characters[at] !== '|' && characters[at] !== ')') items.push(repeated(atom(depth)));
    return { kind: 'sequence', items };
  }

  function atom(depth: number): PatternNode {
    const character = characters[at++]!;
    switch (character) {
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '.':
        return { kind: 'character', accepts: (c) => c !== 10 && c !== 13 };
      case '(':
        return group(depth);
      case '[':
        return { kind: 'character', accepts: characterClass() };
      case '\\':
        return { kind: 'character', accepts: escaped() };
      case '*':
      case '+':
      case '?':
      case '{':
        at--;
        return fail(`has "${character}" with nothing to repeat`);
      default:
        return { kind: 'character', accepts: exactly(character.codePointAt(0)!) };
    }
  }

  function group(depth: number): PatternNode {
    if (characters[at] === '?') {
      if (characters[at + 1] !== ':') fail('uses look-around or a named group, which are not part of this language');
      at += 2;
    }
    const inner = choice(depth + 1);
    if (characters[at] !== ')') fail('lacks a closing parenthesis');
    at++;
    return inner;
  }

  function escaped(): Accepts {
    const character = characters[at++];
    if (character === undefined) fail('ends in a backslash');
    const known = classes[character];
    if (known !== undefined) return known;
    return exactly(escapedCodePoint(character));
  }

  function escapedCodePoint(character: string): number {
    const control = controls[character];
    if (control !== undefined) return control;
    if (/[A-Za-z0-9]/.test(character)) fail(`uses \\${character}, which is not part of this language`);
    return character.codePointAt(0)!;
  }

  function characterClass(): Accepts {
    const negated = characters[at] === '^';
    if (negated) at++;
    const members: Accepts[] = [];
    while (characters[at] !== ']') {
      if (at >= characters.length) fail('lacks a closing bracket');
      members.push(classMember());
    }
    at++;
    return (c) => members.some((accepts) => accepts(c)) !== negated;
  }

  function classMember(): Accepts {
    const first = characters[at++]!;
    const known = first === '\\' ? classes[characters[at] ?? ''] : undefined;
    if (known !== undefined) {
      at++;
      return known;
    }
    const low = first === '\\' ? escapedCodePoint(characters[at++] ?? fail('ends in a backslash')) : first.codePointAt(0)!;
    if (characters[at] !== '-' || characters[at + 1] === ']' || at + 1 >= characters.length) return exactly(low);
    at++;
    const last = characters[at++]!;
    const high = last === '\\' ? escapedCodePoint(characters[at++] ?? fail('ends in a backslash')) : last.codePointAt(0)!;
    if (high < low) fail('has a range that ends before it begins');
    return (c) => c >= low && c <= high;
  }

  function repeated(item: PatternNode): PatternNode {
    const bounds = quantifier();
    if (bounds === undefined) return item;
    if (quantifier() !== undefined) fail('repeats a repetition');
    return { kind: 'repeat', item, min: bounds[0], max: bounds[1] };
  }

  function quantifier(): readonly [number, number] | undefined {
    const simple = { '*': [0, Infinity], '+': [1, Infinity], '?': [0, 1] } as const;
    const character = characters[at];
    if (character === '*' || character === '+' || character === '?') {
      at++;
      return simple[character];
    }
    if (character !== '{') return undefined;
    const counted = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(characters.slice(at, at + 12).join(''));
    if (counted === null) return fail('has a brace that is no {n}, {n,} or {n,m}; write \\{ for the character');
    at += counted[0].length;
    const min = Number(counted[1]);
    const max = counted[2] === undefined ? min : counted[3] === '' ? Infinity : Number(counted[3]);
    if (max < min || min > repeatMax || (max !== Infinity && max > repeatMax))
      fail(`repeats out of order or more than ${repeatMax} times`);
    return [min, max];
  }

  const tree = choice(0);
  if (at < characters.length) fail('has a parenthesis too many');
  return tree;
}

function exactly(codePoint: number): Accepts {
  return (c) => c === codePoint;
}
