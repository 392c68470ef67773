import { InvalidArgumentError } from 'commander';

/** For an option whose value is a number: anything else is refused before the command does anything. */
export function wholeNumber(what: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d{1,15}$/.test(text) && number >= min && number <= max) return number;
    throw new InvalidArgumentError(`Expected ${what} from ${min} to ${max}.`);
  };
}

/** For an option that takes one of these words. */
export function oneOf(words: readonly string[]): (text: string) => string {
  return (text) => {
    if (words.includes(text)) return text;
    throw new InvalidArgumentError(`Expected ${words.slice(0, -1).join(', ')} or ${words.at(-1)}.`);
  };
}

export function webAddress(text: string): string {
  if (/^https?:$/.test(URL.parse(text)?.protocol ?? '')) return text;
  throw new InvalidArgumentError('Expected an address such as http://127.0.0.1:3000.');
}

/** A key is sent in a header, which takes no spaces and no line ends. */
export function headerText(text: string): string {
  if (/^[!-~]{1,200}$/.test(text)) return text;
  throw new InvalidArgumentError('Expected up to 200 letters, digits and signs without spaces.');
}

/** For an option that may be given several times. */
export function eachOf(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}
