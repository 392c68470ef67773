const rounds = 60_000_000;

/** Million steps a second of a fixed single-thread loop: how fast this machine is at the moment. */
export function calibrate(): number {
  const began = performance.now();
  let state = 0x9e3779b9;
  for (let round = 0; round < rounds; round++) {
    state = Math.imul(state ^ (state >>> 15), 0x85ebca6b) + round;
  }
  const seconds = (performance.now() - began) / 1_000;
  // Used, so that no compiler may leave the loop out.
  return state === 0.5 ? 0 : rounds / seconds / 1e6;
}
