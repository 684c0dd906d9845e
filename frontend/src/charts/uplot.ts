/** What draws charts: uPlot and all that talks to it, built as a file of its own that is loaded with the first chart. */
export { draw } from "./plot";
