package examples;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.explode;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.lower;
import static org.apache.spark.sql.functions.split;

import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;

/** Counts how often each word stands in a text: {@code WordCount <text> <folder for the result>}. */
public final class WordCount {
    private static final int SHOWN = 10;

    private WordCount() {}

    public static void main(String[] args) {
        if (args.length != 2) {
            throw new IllegalArgumentException("WordCount needs two arguments: <text> <folder for the result>");
        }
        SparkSession spark = SparkSession.builder().getOrCreate();
        Dataset<Row> counts = spark.read().textFile(args[0])
            .select(explode(split(lower(col("value")), "[^a-z']+")).as("word"))
            .where(col("word").notEqual(""))
            .groupBy("word")
            .agg(count(lit(1)).as("count"))
            .orderBy(col("count").desc(), col("word"));
        counts.coalesce(1).write().mode(SaveMode.Overwrite).json(args[1]);

        System.out.println("----- the " + SHOWN + " most frequent words -----");
        for (Row row : counts.limit(SHOWN).collectAsList()) {
            System.out.printf("%6d  %s%n", row.getLong(1), row.getString(0));
        }
        System.out.println("----- end of the table -----");
        spark.stop();
    }
}
