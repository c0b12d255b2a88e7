package import Postgres

extension Endpoint {
    /// For statements that touch rows by their keys, whose plans are made once, as a rule while hardly anything waits. The server takes
    /// the tables for empty then, where it is as quick to read all there is as to look for one row, and so it would stay when
    /// they are full.
    ///
    /// Settings keep it from reading tables, and this from reading whole indexes. A key's first column is compared with an array of one,
    /// `a = ANY(ARRAY[x])`, and the others as ranges, `b BETWEEN y AND y`, as is a column that is asked for alone: it is read from there to
    /// there. For equalities an index would be of use by its order alone too, to merge by, and then there is a plan that reads all of it and
    /// compares what it finds. A key that is compared as a row, `(a, b) BETWEEN (x, y) AND (x, y)`, is found as fast, but what has the same
    /// first column is read on to its end: that is for where it is little.
    ///
    /// For the same reason what an index has as its condition, as `leased_by IS NULL`, is asked for in other words where rows are
    /// looked up by their keys (`num_nulls`, `IS NOT DISTINCT FROM`), or in a query with a limit of its own, which is not taken apart, unless it
    /// stands in `EXISTS`. And where rows are wanted in the order of an index, or several indexes begin with columns that are asked for, the
    /// index's first column is a part of the order, which no other index has.
    package func byKeys() -> Endpoint {
        self.with(setting: "plan_cache_mode", "force_generic_plan")
            .with(setting: "enable_seqscan", "off").with(setting: "enable_hashjoin", "off")
            .with(setting: "enable_mergejoin", "off").with(setting: "enable_bitmapscan", "off")
    }
}
