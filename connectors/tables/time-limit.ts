/** Whoever does not answer in time is given up; what comes after the time is nobody's any more. */
export function withinTime<T>(answer: Promise<T>, limitMs: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late()), limitMs);
  });
  answer.catch(() => undefined);
  return Promise.race([answer, timeout]).finally(() => clearTimeout(timer));
}
