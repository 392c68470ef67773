const portMax = 65_535;
/** What stands between the host and the path, where it is digits. */
const portPattern = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*:(\d+)(?:[/?#]|$)/i;

/** What is wrong with an address: null where nothing is. */
export function addressProblem(text: string, protocols: readonly string[], expected: string): string | null {
  if (URL.canParse(text) && protocols.includes(new URL(text).protocol.slice(0, -1))) return null;
  const port = portPattern.exec(text)?.[1];
  if (port === undefined || Number(port) <= portMax) return `expected ${expected}`;
  return `the port ${port} is above ${portMax}: expected ${expected}`;
}
