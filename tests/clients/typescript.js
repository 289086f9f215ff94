// Reads {"how", "text"} lines, has the generated TypeScript models read the text and write it again, answers in lines.
const models = require(process.argv[2]);
const lines = require("readline").createInterface({ input: process.stdin });

function answer({ how, text }) {
  const value = JSON.parse(text);
  try {
    const instance = how === "instance" ? value : models.RunObjectFromJSON(value);
    return { instance, wire: models.RunObjectToJSON(instance) };
  } catch (error) {
    return { error: String(error) };
  }
}

lines.on("line", (line) => process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + "\n"));
