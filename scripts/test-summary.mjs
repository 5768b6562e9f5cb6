// Reads jest's JSON reports: one line per project with the failures, or the total over several reports.
//   test-summary.mjs PROJECT REPORT        test-summary.mjs --total FAILED_CHECKS REPORT...

import { existsSync, readFileSync } from 'node:fs';

/**
 * A report with what the total needs; a project that left none counts as one failure.
 * @param {string} file
 */
function readReport(file) {
  if (!existsSync(file)) return { passed: 0, failed: 1, skipped: 0, failures: ['jest left no report'], ms: 0 };
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const failures = [];
  let endMs = report.startTime;
  for (const suite of report.testResults) {
    endMs = Math.max(endMs, suite.endTime);
    const bad = suite.assertionResults.filter((/** @type {{ status: string }} */ test) => test.status === 'failed');
    for (const test of bad) failures.push(`${test.fullName}\n${test.failureMessages.join('\n')}`);
    // A file that could not be loaded has no test of its own to count.
    if (bad.length === 0 && suite.status === 'failed') failures.push(`${suite.name}\n${suite.message}`);
  }
  return {
    passed: report.numPassedTests,
    failed: failures.length,
    skipped: report.numPendingTests + report.numTodoTests,
    failures,
    ms: endMs - report.startTime,
  };
}

const [first, ...rest] = process.argv.slice(2);
const failedChecks = first === '--total' ? Number(rest.shift()) : 0;
const reports = rest.map(readReport);
const sum = (/** @type {'passed' | 'failed' | 'skipped'} */ key) =>
  reports.reduce((total, report) => total + report[key], 0);
if (first !== '--total') {
  for (const failure of reports.flatMap((report) => report.failures)) console.log(`--- ${first}: ${failure}\n`);
}
const failed = sum('failed') + failedChecks;
const skipped = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : '';
const seconds = (reports.reduce((total, report) => total + report.ms, 0) / 1000).toFixed(1);
console.log(
  first === '--total'
    ? `${sum('passed')} passed, ${failed} failed`
    : `${(first ?? '').padEnd(8)} ${sum('passed')} passed, ${failed} failed${skipped} (${seconds} s)`,
);
process.exitCode = failed > 0 ? 1 : 0;
