/** uPlot, built as a file of its own that is loaded with the first chart. */
export { default } from "uplot";
