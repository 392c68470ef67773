import { ExactNumber, type JsonValue } from '../json.ts';
import { UnfitValue } from './rule-failure.ts';
import type { StepParts, TrimMode } from './rules.ts';
import { requireText, textOf } from './values.ts';

type TextTransform = (value: JsonValue) => JsonValue | undefined;

/** A text step takes numbers and truth values by their text, so that `trim` after a numeric column does not fail. */
function onText(change: (text: string) => JsonValue): TextTransform {
  return (value) => {
    if (typeof value === 'object' && !(value instanceof ExactNumber)) throw new UnfitValue('is no text');
    return change(textOf(value));
  };
}

const controlCharacters = /[\p{Cc}\p{Cs}]/gu;
const layoutCharacters = new Set(['\t', '\n', '\r']);
/** White space and control characters, which hide at the ends of columns of fixed width. */
const edgeStart = /^[\s\p{Cc}]+/u;
const edgeEnd = /[\s\p{Cc}]$/u;

function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && edgeEnd.test(text.slice(Math.max(0, end - 1), end))) end--;
  return text.slice(0, end);
}

const trims: Readonly<Record<TrimMode, (text: string) => string>> = {
  both: (text) => trimEnd(text.replace(edgeStart, '')),
  start: (text) => text.replace(edgeStart, ''),
  end: trimEnd,
  collapse: (text) => trimEnd(text.replace(edgeStart, '')).replace(/\s+/g, ' '),
  // Halves of surrogate pairs go too: PostgreSQL stores neither them nor U+0000.
  control: (text) => trimEnd(text.replace(controlCharacters, keepLayout).replace(edgeStart, '')),
};

function keepLayout(character: string): string {
  return layoutCharacters.has(character) ? character : '';
}

export function compileTrim(mode: TrimMode): TextTransform {
  return onText(trims[mode]);
}

const words = /\p{L}[\p{L}\p{M}\p{N}'’]*/gu;

export const cases: Readonly<Record<'lower' | 'upper' | 'title', TextTransform>> = {
  lower: onText((text) => text.toLowerCase()),
  upper: onText((text) => text.toUpperCase()),
  title: onText((text) => text.replace(words, capitalise)),
};

function capitalise(word: string): string {
  const [first = ''] = word;
  return first.toUpperCase() + word.slice(first.length).toLowerCase();
}

export function compileSplit(step: NonNullable<StepParts['split']>): TextTransform {
  const { by, take } = typeof step === 'string' ? { by: step, take: undefined } : step;
  return onText((text) => {
    const parts = text.split(by);
    return take === undefined ? parts : (parts.at(take) ?? null);
  });
}

export function compileJoin(separator: string): TextTransform {
  return (value) => {
    if (!Array.isArray(value)) throw new UnfitValue('is no list');
    return value
      .filter((item) => item !== null)
      .map(textOf)
      .join(separator);
  };
}

export function compileReplace(step: NonNullable<StepParts['replace']>): TextTransform {
  return (value) => requireText(value).replaceAll(step.text, () => step.with);
}
