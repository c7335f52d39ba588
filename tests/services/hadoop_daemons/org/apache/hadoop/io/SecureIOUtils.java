package org.apache.hadoop.io;

import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * Stands before Hadoop's own on the class path of the tests' daemons. The original asks libhadoop.so, which no Maven
 * artifact has, who owns a file: a NodeManager with Kerberos dies at its first log aggregation. All containers of
 * the tests run as one user, so there is nothing to check.
 */
public class SecureIOUtils {
    public static RandomAccessFile openForRandomRead(File file, String mode, String owner, String group)
            throws IOException {
        return new RandomAccessFile(file, mode);
    }

    public static FSDataInputStream openFSDataInputStream(File file, String owner, String group) throws IOException {
        return FileSystem.getLocal(new Configuration()).getRaw().open(new Path(file.getAbsolutePath()));
    }

    public static FileInputStream openForRead(File file, String owner, String group) throws IOException {
        return new FileInputStream(file);
    }

    public static FileOutputStream createForWrite(File file, int permissions) throws IOException {
        if (!file.createNewFile()) {
            throw new AlreadyExistsException("File " + file + " already exists");
        }
        return new FileOutputStream(file);
    }

    public static class AlreadyExistsException extends IOException {
        private static final long serialVersionUID = 1L;

        public AlreadyExistsException(String message) {
            super(message);
        }
    }
}
