// Answers a POST with what Express and multer made of its body. Prints its port when it listens; ends with its stdin.
const express = require("express");
const multer = require("multer");

const app = express();
app.use(express.json({ type: "application/json" }));
app.use(express.urlencoded({ extended: true }));
app.post("/requestcall/:token", multer().none(), (request, response) => {
  response.json({ answer: { body: request.body ?? null, type: request.headers["content-type"], token: request.params.token } });
});
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
