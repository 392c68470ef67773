/** Transact-SQL, cut into its words. */
export interface Token {
  /** `name` is one in brackets or quotation marks, `variable` has its @. */
  readonly kind: 'word' | 'name' | 'string' | 'number' | 'bytes' | 'variable' | 'sign';
  /** Without brackets and quotes; digits alone of bytes. */
  readonly text: string;
}

const pattern =
  /(?<space>\s+|--[^\n]*|\/\*[\s\S]*?\*\/)|N?'(?<string>(?:[^']|'')*)'|\[(?<bracketed>(?:[^\]]|\]\])*)\]|"(?<quoted>(?:[^"]|"")*)"|0x(?<bytes>[0-9A-Fa-f]*)|(?<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|(?<variable>@@?\w+)|(?<word>[\p{L}_#][\p{L}\p{N}_#$]*)|(?<sign><>|<=|>=|!=|\|\||.)/gsu;

export function tokensOf(sql: string): Token[] {
  const tokens: Token[] = [];
  for (const { groups } of sql.matchAll(pattern)) {
    const { string, bracketed, quoted, bytes, number, variable, word, sign } = groups!;
    if (string !== undefined) tokens.push({ kind: 'string', text: string.replaceAll(`''`, `'`) });
    else if (bracketed !== undefined) tokens.push({ kind: 'name', text: bracketed.replaceAll(']]', ']') });
    else if (quoted !== undefined) tokens.push({ kind: 'name', text: quoted.replaceAll('""', '"') });
    else if (bytes !== undefined) tokens.push({ kind: 'bytes', text: bytes });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number });
    else if (variable !== undefined) tokens.push({ kind: 'variable', text: variable });
    else if (word !== undefined) tokens.push({ kind: 'word', text: word });
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign });
  }
  return tokens;
}

export function isWord(token: Token | undefined, ...words: string[]): boolean {
  return token?.kind === 'word' && words.includes(token.text.toUpperCase());
}

export function isSign(token: Token | undefined, sign: string): boolean {
  return token?.kind === 'sign' && token.text === sign;
}

/** Index of the bracket that closes the one at `from`. */
export function closingOf(tokens: readonly Token[], from: number): number {
  let depth = 0;
  for (let at = from; at < tokens.length; at++) {
    if (isSign(tokens[at], '(')) depth++;
    if (isSign(tokens[at], ')') && --depth === 0) return at;
  }
  throw new Error('a bracket is open');
}

/** Parts between signs that stand in no bracket. */
export function splitBy(tokens: readonly Token[], sign: string): Token[][] {
  const parts: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (isSign(token, '(')) depth++;
    if (isSign(token, ')')) depth--;
    if (depth === 0 && isSign(token, sign)) parts.push([]);
    else parts.at(-1)!.push(token);
  }
  return parts.filter((part) => part.length > 0);
}
