type Options = Readonly<Record<string, unknown>>;

/** What is every system's stays where it is; what is its connector's goes under `options`. */
export function optionsApart(value: Options, own: object): Options & { options: Options } {
  const entries = Object.entries(value);
  const options = Object.fromEntries(entries.filter(([name]) => !Object.hasOwn(own, name)));
  return { ...Object.fromEntries(entries.filter(([name]) => Object.hasOwn(own, name))), options };
}
