import type { Touch, Voice, Word } from './voice.ts';
import { valueAt } from './voice.ts';

/** So many write-backs to one record may be told by its system before we hear that they were made. */
const wordsMax = 3;

/** The words of a source that speaks once more, in this turn. */
export function wordsWith({ words, last, death }: Voice, turn: number): readonly Word[] {
  const word: Word = [turn, last, death ?? null];
  if (words === undefined) return [word];
  return words.length < wordsMax ? [...words, word] : [words[words.length - 2]!, words[words.length - 1]!, word];
}

/** Nothing that was said up to this turn will turn out to be ours. */
export function withoutWords(voice: Voice, throughTurn: number): Voice {
  const { words, ...rest } = voice;
  const kept = words?.filter(([turn]) => turn > throughTurn) ?? [];
  return kept.length === 0 ? rest : { ...rest, words: kept };
}

/** The word right behind a write-back is that write coming back, where it left no trace of anything else: then it was no deed of the source. */
export function takeBackChange(voice: Voice, turn: number, fields: Iterable<string>): Voice {
  for (const touch of Object.values(voice.touches)) if (touch?.[0] === turn) return voice;
  if (voice.first?.[0] === turn) {
    for (const field of fields) if (valueAt(voice.touches, field) === undefined) return voice;
  }
  const word = wordOf(voice, turn);
  if (word === undefined) return voice;
  const instead = (touch: Touch | null) => (touch?.[0] === turn ? word[1] : touch);
  return { ...voice, last: instead(voice.last), words: voice.words!.map(([at, last, death]) => [at, instead(last), death]) };
}

export function takeBackDeletion(voice: Voice, turn: number): Voice {
  const word = wordOf(voice, turn);
  if (word === undefined) return voice;
  const instead = (touch: Touch | null) => (touch?.[0] === turn ? word[2] : touch);
  const { death, ...rest } = voice;
  const before = instead(death ?? null);
  const words = voice.words!.map(([at, last, gone]): Word => [at, last, instead(gone)]);
  return { ...rest, words, ...(before === null ? {} : { death: before }) };
}

function wordOf({ words }: Voice, turn: number): Word | undefined {
  return words?.find(([at]) => at === turn);
}
