import { readFileSync } from 'node:fs';

/** Adds the test reports up; a step that failed, or a report that is missing, counts as one failure more. */
const [failedStep, ...reports] = process.argv.slice(2);
let passed = 0;
let failed = failedStep === '0' ? 0 : 1;
for (const file of reports) {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8')) as { numPassedTests: number; numFailedTests: number };
    passed += report.numPassedTests;
    failed += report.numFailedTests;
  } catch {
    failed++;
  }
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
