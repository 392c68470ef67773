/** Letters that Unicode does not take apart, as WordPress writes them in addresses. */
const letters: Readonly<Record<string, string>> = {
  ß: 's',
  æ: 'ae',
  Æ: 'AE',
  ø: 'o',
  Ø: 'O',
  ł: 'l',
  Ł: 'L',
  đ: 'd',
  Đ: 'D',
  ð: 'd',
  Ð: 'D',
  þ: 'th',
  Þ: 'TH',
  œ: 'oe',
  Œ: 'OE',
  ı: 'i',
  ĸ: 'k',
  ŋ: 'n',
  Ŋ: 'N',
  ſ: 's',
  ħ: 'h',
  Ħ: 'H',
  ŧ: 't',
  Ŧ: 'T',
  '€': 'E',
  '£': '',
  º: 'o',
  ª: 'a',
};
const lettersPattern = new RegExp(`[${Object.keys(letters).join('')}]`, 'gu');
/** Accents of the Latin letters; those of other scripts are letters of their own. */
const accentsPattern = /(\p{Script=Latin})[\u0300-\u036f]+/gu;
/** Quotation marks, signs, accents that stand alone, and what cannot be seen. */
const droppedPattern =
  /[\u00ad\u00a1\u00bf\u00ab\u00bb\u2039\u203a\u2018\u2019\u201c\u201d\u201a\u201b\u201e\u201f\u2022\u00a9\u00ae\u00b0\u2026\u2122\u00b4\u02ca\u200b-\u200f\u202a-\u202e\ufeff\ufffc]|\u0301|\u0341|\u0300|\u0304|\u030c/gu;
/** Spaces and dashes of every width. */
const spacesPattern = /[\u00a0\u2013\u2014\u2000-\u200a\u2028\u2029\u202f/]|&nbsp;|&#160;|&ndash;|&#8211;|&mdash;|&#8212;/gu;
const bytesMax = 200;

/** The part of an address that WordPress makes of a title: its `sanitize_title`. */
export function slugOf(title: string): string {
  const spelled = title
    .toWellFormed()
    .normalize('NFC')
    .replaceAll(lettersPattern, (letter) => letters[letter]!);
  const text = spelled
    .normalize('NFD')
    .replaceAll(accentsPattern, '$1')
    .normalize('NFC')
    .replaceAll(/<[^>]*>/g, '')
    // What is written as in an address already stays; every other percent sign goes.
    .replaceAll(/%(?![a-fA-F0-9]{2})/g, '')
    .toLowerCase();
  const kept = asManyBytesAsFit(text)
    .replaceAll(spacesPattern, '-')
    .replaceAll(droppedPattern, '')
    .replaceAll('×', 'x')
    .replaceAll(/&.+?;/g, '')
    .replaceAll('.', '-');
  return encoded(kept)
    .replaceAll(/[^%a-z0-9 _-]/g, '')
    .replaceAll(/\s+/g, '-')
    .replaceAll(/-+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
}

/** Letters of other scripts are written as their bytes. */
function encoded(text: string): string {
  return text.replaceAll(/[^\0-\x7f]+/gu, (run) => encodeURIComponent(run).toLowerCase());
}

function asManyBytesAsFit(text: string): string {
  let bytes = 0;
  let kept = '';
  for (const character of text) {
    bytes += character.codePointAt(0)! < 0x80 ? 1 : 3 * Buffer.byteLength(character);
    if (bytes > bytesMax) break;
    kept += character;
  }
  return kept;
}

/** The slug with a number behind it, still no longer than the column. */
export function numberedSlug(slug: string, number: number): string {
  const room = bytesMax - String(number).length - 1;
  const cut = slug.length <= room ? slug : slug.slice(0, room).replace(/%[a-f0-9]?$|(?:%[a-f0-9]{2})+$/, '');
  return `${cut.replace(/-+$/, '')}-${number}`;
}
