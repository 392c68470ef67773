export interface Combining<Item, Result> {
  /** One answer for each item, in their order. */
  readonly together: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly weightOf: (item: Item) => number;
  /** What weighs as much goes by itself: it gains nothing from company, and would make others wait. */
  readonly weightMax: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly weight: number;
  readonly answer: PromiseWithResolvers<Result>;
}

/**
 * Calls that are made in the same turn of the event loop become one statement: with few changes on many partitions, the
 * number of statements is what costs. Where they fail together each is made by itself, so none answers for another.
 */
export function combined<Item, Result>({
  together,
  weightOf,
  weightMax,
}: Combining<Item, Result>): (item: Item) => Promise<Result> {
  let waiting: Waiting<Item, Result>[] = [];

  const flush = () => {
    const all = waiting;
    waiting = [];
    let group: Waiting<Item, Result>[] = [];
    let weight = 0;
    for (const one of all) {
      if (group.length > 0 && weight + one.weight > weightMax) {
        void run(group);
        group = [];
        weight = 0;
      }
      group.push(one);
      weight += one.weight;
    }
    void run(group);
  };

  const run = async (group: readonly Waiting<Item, Result>[]): Promise<void> => {
    try {
      const answers = await together(group.map(({ item }) => item));
      for (const [at, { answer }] of group.entries()) answer.resolve(answers[at]!);
    } catch (error) {
      if (group.length === 1) group[0]!.answer.reject(error);
      else for (const one of group) void run([one]);
    }
  };

  return (item) => {
    const answer = Promise.withResolvers<Result>();
    const weight = weightOf(item);
    if (weight >= weightMax) void run([{ item, weight, answer }]);
    else if (waiting.push({ item, weight, answer }) === 1) setImmediate(flush);
    return answer.promise;
  };
}
