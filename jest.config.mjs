// Four projects, one runner: unit and layers mirror src and run in seconds, the others start real things.
const common = {
  testEnvironment: 'node',
  // jest's clean-up wraps objects that execa keeps on process, once more for every test, until the stack overflows.
  testEnvironmentOptions: { globalsCleanup: 'off' },
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', {}] },
  modulePathIgnorePatterns: ['<rootDir>/dist'],
};
const project = (displayName, testMatch, extra = {}) => ({ ...common, displayName, testMatch, ...extra });

export default {
  projects: [
    project('unit', ['<rootDir>/test/unit/**/*.test.ts']),
    project('layers', ['<rootDir>/test/*.test.ts']),
    project('contract', ['<rootDir>/test/contract/**/*.test.ts']),
    project('e2e', ['<rootDir>/test/e2e/**/*.test.ts']),
    project('fuzz', ['<rootDir>/test/fuzz/**/*.test.ts']),
  ],
  testTimeout: 60_000,
};
