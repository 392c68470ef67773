/** One thing wrong with a reference, or the text with its references replaced. */
export type ResolvedText =
  | { readonly kind: 'resolved'; readonly text: string; readonly replaced: boolean }
  | { readonly kind: 'missing'; readonly name: string }
  | { readonly kind: 'malformed'; readonly reference: string };

const reference = /\$\$\{|\$\{([^}]*)\}?/g;
const referenceParts = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/;

/** `${NAME}`, `${NAME:-default}` (also where NAME is empty), and `$${` for a literal `${`. */
export function resolveReferences(text: string, env: Readonly<Record<string, string | undefined>>): ResolvedText {
  let failure: ResolvedText | undefined;
  let replaced = false;
  const resolved = text.replace(reference, (match, inner: string | undefined) => {
    if (match === '$${') return '${';
    const parts = match.endsWith('}') ? referenceParts.exec(inner ?? '') : null;
    const name = parts?.[1];
    if (name === undefined) {
      failure ??= { kind: 'malformed', reference: match };
      return '';
    }
    const value = env[name] === undefined || env[name] === '' ? parts?.[2] : env[name];
    if (value === undefined) failure ??= { kind: 'missing', name };
    replaced = true;
    return value ?? '';
  });
  return failure ?? { kind: 'resolved', text: resolved, replaced };
}

/** What an unquoted text from the environment stands for: a number, a yes or no, or itself. */
export function scalarOf(text: string): string | number | boolean {
  if (text === 'true') return true;
  if (text === 'false') return false;
  return /^-?(0|[1-9]\d*)(\.\d+)?$/.test(text) ? Number(text) : text;
}
