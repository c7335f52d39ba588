/* Spark Jobs and Notebooks: durations that count, a list that is renewed while something runs or is waited for. */

import { showChosen } from "./choose-two.js";
import { counting } from "./seconds.js";
import { keepFresh } from "../common/fresh.js";
import { localFields } from "../common/moments.js";

localFields(document.querySelector(".run-filters"), ["since", "until"]);
counting(() => document.getElementById("runs"));
keepFresh("runs", { renewed: showChosen });
