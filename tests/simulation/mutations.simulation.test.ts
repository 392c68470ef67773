import { expect, it } from 'vitest';
import { loadMutant } from './mutant.ts';
import { breaches } from './mutations.ts';
import { simulate } from './simulate.ts';

/** Each was noticed within 2,000 seeds; a later change of the code deals out other histories. */
const seedsMax = 10_000;

it('a copy of the stages in which nothing was changed does as well as they do', { timeout: 300_000 }, async () => {
  const { stages, remove } = await loadMutant('unchanged', []);
  try {
    for (let seed = 1; seed <= 300; seed++) expect((await simulate({ stages, seed })).violations, `seed ${seed}`).toEqual([]);
  } finally {
    remove();
  }
});

it.each(Object.entries(breaches))(
  'the simulation notices when %s',
  { timeout: 300_000 },
  async (promise, { mutations, prepare, seenAs }) => {
    const { stages, remove } = await loadMutant(promise.replaceAll(/\W+/g, '-'), mutations);
    try {
      for (let seed = 1; seed <= seedsMax; seed++) {
        const { violations } = await simulate({ stages, seed, prepare });
        if (violations.some((violation) => seenAs.test(violation))) return;
      }
      expect.fail(`${seedsMax} seeds went well`);
    } finally {
      remove();
    }
  },
);
