// `make lint-scripts` lints the scripts joined to one, as a page has them: see reports/design.py.
const browser = [
  "addEventListener", "atob", "Blob", "cancelAnimationFrame", "clearTimeout", "DecompressionStream",
  "devicePixelRatio", "document", "getComputedStyle", "getSelection", "history", "location",
  "matchMedia", "navigator", "requestAnimationFrame", "Response", "setTimeout", "TextDecoder", "URL",
];

export default [{
  languageOptions: {
    ecmaVersion: 2024,
    sourceType: "script",
    globals: Object.fromEntries(browser.map((name) => [name, "readonly"])),
  },
  rules: {
    "eqeqeq": "error", "no-undef": "error", "no-unused-vars": "error", "no-shadow": "error",
    "no-var": "error", "prefer-const": "error", "no-dupe-keys": "error", "no-redeclare": "error",
    "no-unreachable": "error", "no-fallthrough": "error", "no-self-assign": "error",
    "no-constant-condition": "error", "no-eval": "error", "no-implied-eval": "error",
  },
}];
